"""H03: a TransactionEvent uses the reservation, proven or not, and the end of its transaction decides what is not."""

import pytest
from station_script import AWAY, cancel_accepted, cancel_rejected
from usecase_fakes import GROUP, TAG_A, TAG_B, seconds

from evhold.domain.reservation import Phase, State
from evhold.domain.station import Capabilities
from evhold.domain.values import IdToken

STRANGER = IdToken("TAG_X", "ISO14443")
BUTTON = IdToken("", "NoAuthorization")


@pytest.fixture
async def station(stage):
    """CS1, connected; TAG_A and TAG_B share a group, which TAG_X does not."""
    await stage.add_token(TAG_A, group=GROUP)
    await stage.add_token(TAG_B, group=GROUP)
    await stage.add_token(STRANGER)
    return await stage.connect()


@pytest.fixture
async def active(stage, station):
    """An Active reservation of EVSE 1 for TAG_A and its group."""
    known = await stage.reserve(group_id_token=GROUP)
    stage.stations.told()
    stage.told()
    return known


async def claimed(stage, evse_id=1):
    """Whether nobody else can have the EVSE."""
    rows = await stage.storage.read(lambda tx: tx.reservations.at_station("CS1", states=list(State)))
    return any(evse_id in one.claims for one in rows)


@pytest.mark.req("H01.FR.15", "H03.FR.01", "H03.FR.02", "H03.FR.09", "E01.FR.13", "E02.FR.03", "E03.FR.03", "F02.FR.06")
@pytest.mark.row(29)
@pytest.mark.parametrize("type_", ["Started", "Updated", "Ended"])
async def test_the_reserved_token_proves_the_use(stage, station, active, type_):
    """In any event type; the EVSE is where the transaction is, the claim given back."""
    await stage.transaction(station, type_, reservation_id=active.id, id_token=TAG_A, evse_id=2)

    known = await stage.get(active)
    assert (known.phase, known.proven, known.token_mismatch) == (Phase.USED_PROVEN, True, False)
    assert (known.transaction_id, known.used_evse_id, known.used_by) == ("T1", 2, TAG_A)
    assert stage.told() == ["used"]
    assert not await claimed(stage)


@pytest.mark.req("H03.FR.03", "H03.FR.04", "H03.FR.05", "H03.FR.06")
@pytest.mark.row(29)
async def test_a_token_of_the_same_group_proves_it_too(stage, station, active):
    """Compared without case, with its type."""
    token = IdToken("tag_b", "ISO14443")
    await stage.transaction(station, reservation_id=active.id, id_token=token)
    assert await stage.phase(active) is Phase.USED_PROVEN
    assert (await stage.get(active)).token_mismatch is False


@pytest.mark.row(29)
@pytest.mark.parametrize("group", [None, IdToken("OTHER", "Central")])
async def test_the_group_counts_only_where_it_is_the_reservations(stage, station, group):
    """One for TAG_A alone, or for another group: TAG_B is foreign."""
    known = await stage.reserve(group_id_token=group)
    await stage.transaction(station, reservation_id=known.id, id_token=TAG_B)
    assert ((await stage.get(known)).token_mismatch, await stage.phase(known)) == (True, Phase.USED_PROVEN)


@pytest.mark.row(29)
async def test_a_foreign_token_in_the_same_event(stage, station, active):
    """The station let it happen: Used, and the mismatch is noted."""
    await stage.transaction(station, reservation_id=active.id, id_token=STRANGER)
    known = await stage.get(active)
    assert (known.phase, known.token_mismatch, known.used_by) == (Phase.USED_PROVEN, True, STRANGER)


@pytest.mark.row(29)
@pytest.mark.parametrize("token", [None, BUTTON])
async def test_no_token_is_no_proof(stage, station, active, token):
    """Used, unproven, the claim kept; a start button names nobody."""
    await stage.transaction(station, reservation_id=active.id, id_token=token)
    assert await stage.phase(active) is Phase.USED_UNPROVEN
    assert await claimed(stage)


@pytest.mark.row(30)
@pytest.mark.parametrize("names", [True, False])
async def test_the_proof_may_come_in_a_later_event(stage, station, active, names):
    """With the reservation's id again, or without; a late proof is told again."""
    await stage.transaction(station, reservation_id=active.id)
    await stage.transaction(station, "Updated", seq_no=1, id_token=TAG_A, reservation_id=active.id if names else None)
    assert await stage.phase(active) is Phase.USED_PROVEN
    assert stage.told() == ["used", "used"]


@pytest.mark.row(30)
async def test_the_proof_may_have_come_before(stage, station, active):
    """The token in the first event, the reservation's id in the second."""
    await stage.transaction(station, id_token=TAG_A)
    await stage.transaction(station, "Updated", seq_no=1, reservation_id=active.id)
    known = await stage.get(active)
    assert (known.phase, known.used_by) == (Phase.USED_PROVEN, TAG_A)


@pytest.mark.row(31)
@pytest.mark.row(34)
async def test_a_foreign_token_in_another_event(stage, station, active):
    """Noted; it was accepted, so the end is not clean, and the claim goes."""
    await stage.transaction(station, reservation_id=active.id)
    await stage.transaction(station, "Updated", seq_no=1, id_token=STRANGER)
    assert ((await stage.get(active)).token_mismatch, await stage.phase(active)) == (True, Phase.USED_UNPROVEN)

    await stage.transaction(station, "Ended", seq_no=2)

    known = await stage.get(active)
    assert (known.phase, known.cause, await claimed(stage)) == (Phase.USED_UNPROVEN, "unproven", False)


@pytest.mark.row(31)
async def test_a_start_button_in_another_event(stage, station, active):
    """Names nobody: no mismatch."""
    await stage.transaction(station, reservation_id=active.id)
    await stage.transaction(station, "Updated", seq_no=1, id_token=BUTTON)
    assert (await stage.get(active)).token_mismatch is False


@pytest.mark.row(33)
async def test_a_clean_end_gives_it_back(stage, station, active):
    """A foreign car came and went: Active again, bound to nothing, the claim kept all the time."""
    await stage.transaction(station, reservation_id=active.id, evse_id=1)
    await stage.transaction(station, "Ended", seq_no=1)

    known = await stage.get(active)
    assert (known.state, known.transaction_id, known.used_evse_id, known.used_by) == (State.ACTIVE, None, None, None)
    assert stage.told() == ["used", "reactivated"]
    assert await claimed(stage)

    await stage.transaction(station, transaction_id="T2", reservation_id=active.id, id_token=TAG_A)
    assert await stage.phase(active) is Phase.USED_PROVEN


@pytest.mark.row(33)
async def test_a_clean_end_after_the_expiry(stage, station, active):
    """Expired, without the station's word."""
    await stage.transaction(station, reservation_id=active.id)
    await stage.move(901)
    await stage.transaction(station, "Ended", seq_no=1)
    assert await stage.phase(active) is Phase.EXPIRED_OPEN


@pytest.mark.row(33)
async def test_a_clean_end_after_the_expiry_by_our_clock_alone(stage, station, active):
    """The station's clock is ten minutes slow, and it still holds the EVSE: Active."""
    await stage.change_station(clock_offset=seconds(-600))
    await stage.transaction(station, reservation_id=active.id)
    await stage.move(901)
    await stage.transaction(station, "Ended", seq_no=1)
    assert await stage.phase(active) is Phase.ACTIVE


@pytest.mark.row(34)
@pytest.mark.parametrize(
    "last", [{"charging_state": "Charging"}, {"remote_start_id": 7}, {"id_token": STRANGER}, {"seq_no": 2}]
)
async def test_an_end_that_is_not_clean(stage, station, active, last):
    """Somebody charged, was accepted, started it from afar, or an event is missing."""
    await stage.transaction(station, reservation_id=active.id)
    await stage.transaction(station, "Ended", **{"seq_no": 1, **last})
    assert await stage.phase(active) is Phase.USED_UNPROVEN
    assert not await claimed(stage)


@pytest.mark.row(33)
@pytest.mark.row(34)
@pytest.mark.parametrize(("charged", "phase"), [(None, Phase.ACTIVE), ("Charging", Phase.USED_UNPROVEN)])
async def test_an_event_that_comes_behind_the_end(stage, station, active, charged, phase):
    """The order of arrival is not fixed: the end that came before has happened all the same."""
    await stage.transaction(station, "Ended", seq_no=1, charging_state=charged)
    await stage.transaction(station, "Started", seq_no=0, reservation_id=active.id)

    assert await stage.phase(active) is phase
    assert await claimed(stage) is (phase is Phase.ACTIVE)


@pytest.mark.row(29)
@pytest.mark.row(33)
async def test_one_event_that_is_all_of_a_transaction(stage, station, active):
    """Ended, seqNo 0, nobody there: used and given back in one."""
    await stage.transaction(station, "Ended", seq_no=0, reservation_id=active.id)
    assert await stage.phase(active) is Phase.ACTIVE
    assert (await stage.rows(active))[-2:] == [29, 33]


@pytest.mark.row(32)
async def test_another_transaction_takes_over(stage, station, active):
    """The old one's end means nothing now."""
    await stage.transaction(station, transaction_id="T1", reservation_id=active.id)
    await stage.transaction(station, transaction_id="T2", reservation_id=active.id)
    await stage.transaction(station, "Ended", transaction_id="T1", seq_no=1)
    known = await stage.get(active)
    assert (known.phase, known.transaction_id) == (Phase.USED_UNPROVEN, "T2")


@pytest.mark.row(35)
async def test_after_a_proof_nothing_changes(stage, station, active):
    """Neither a later event nor another transaction; the latter is noted."""
    await stage.transaction(station, reservation_id=active.id, id_token=TAG_A)
    before = await stage.get(active)
    await stage.transaction(station, "Updated", seq_no=1, id_token=STRANGER)
    await stage.transaction(station, "Ended", seq_no=2)
    await stage.transaction(station, transaction_id="T2", reservation_id=active.id)
    assert await stage.get(active) == before
    assert [row.anomaly for row in await stage.history(active)] == [False, False, False, True]


@pytest.mark.row(42)
@pytest.mark.parametrize("number", [0, -1, 4711])
async def test_ids_that_name_nothing(stage, station, active, number):
    """Zero, negative, unknown: the event is stored and answered, no reservation touched."""
    info = await stage.transaction(station, reservation_id=number, id_token=TAG_A)
    assert (info.status, await stage.phase(active)) == ("Accepted", Phase.ACTIVE)


@pytest.mark.row(42)
async def test_another_stations_id(stage, station, active):
    """Never matches."""
    await stage.add_station("CS2")
    other = await stage.connect("CS2")
    await stage.transaction(other, reservation_id=active.id, id_token=TAG_A)
    assert await stage.phase(active) is Phase.ACTIVE


@pytest.mark.req("E04.FR.01", "E04.FR.02")
@pytest.mark.row(36)
@pytest.mark.row(37)
@pytest.mark.parametrize(
    ("timeout", "late", "phase"),
    [
        (None, 185, Phase.USED_PROVEN),
        (None, 186, Phase.EXPIRED_OPEN),
        (seconds(20), 25, Phase.USED_PROVEN),
        (seconds(20), 26, Phase.EXPIRED_OPEN),
        (seconds(0), 5, Phase.USED_PROVEN),
        (seconds(0), 6, Phase.EXPIRED_OPEN),
    ],
)
async def test_a_use_that_is_told_late(stage, station, active, timeout, late, phase):
    """In time by its own stamp, expiry and EVConnectionTimeOut (180 s where it is not known), it corrects our sweep."""
    await stage.change_station(capabilities=Capabilities(ev_connection_timeout=timeout))
    stage.sweeper.start()
    await stage.move(2000)
    assert await stage.phase(active) is Phase.EXPIRED_OPEN

    stamp = active.terms.expiry + seconds(late)
    await stage.transaction(station, at=stamp, offline=True, reservation_id=active.id, id_token=TAG_A)

    assert await stage.phase(active) is phase


@pytest.mark.row(41)
@pytest.mark.parametrize(("offset", "phase"), [(0, Phase.USED_PROVEN), (-20, Phase.CANCELED_CLOSED)])
async def test_a_use_before_the_cancel_was_sent(stage, station, active, offset, phase):
    """By the station's clock, whose offset was learned before."""
    await stage.change_station(clock_offset=seconds(offset))
    await stage.move(60)
    await stage.cancel(active)
    await stage.move(60)

    await stage.transaction(station, at=stage.after(-70), offline=True, reservation_id=active.id, id_token=TAG_A)

    assert await stage.phase(active) is phase


@pytest.mark.row(29)
@pytest.mark.row(13)
@pytest.mark.parametrize(
    ("answer", "phase"), [(cancel_accepted, Phase.CANCELED_CLOSED), (cancel_rejected(), Phase.REMOVED_OPEN)]
)
async def test_a_wish_waits_for_the_end_of_an_unproven_use(stage, station, active, answer, phase):
    """It came before the use; once the foreign car is gone, it is sent."""
    stage.stations.answers("cancel", answer)
    stage.stations.presences["CS1"] = AWAY
    await stage.cancel(active)
    stage.stations.presences.clear()
    await stage.transaction(station, reservation_id=active.id)
    await stage.move(30)
    assert (await stage.phase(active), stage.stations.told()) == (Phase.USED_UNPROVEN, [])

    await stage.transaction(station, "Ended", seq_no=1)

    assert await stage.phase(active) is phase
    assert stage.stations.told() == [("cancel", active.id)]


@pytest.mark.row(13)
@pytest.mark.parametrize(
    ("answer", "phase"), [(cancel_accepted, Phase.CANCELED_CLOSED), (cancel_rejected(), Phase.USED_UNPROVEN)]
)
async def test_an_unproven_use_can_be_canceled(stage, station, active, answer, phase):
    """Accepted: a foreign car stood there. Rejected: it was used, and the wish is gone."""
    await stage.transaction(station, reservation_id=active.id)
    stage.stations.answers("cancel", answer)

    known = (await stage.cancel(active)).reservation

    assert (known.phase, known.due) == (phase, None)
