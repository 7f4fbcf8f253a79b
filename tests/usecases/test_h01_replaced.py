"""H01.FR.02: other terms under the same id. Reports, uses and late answers around it: rows 23, 25, 54, 22."""

from datetime import timedelta

import pytest
from station_script import Stations, accepted, cancel_rejected, errored, never_left, refused, silent
from usecase_fakes import TAG_B

from evhold.domain.facts import Accepted
from evhold.domain.reservation import Phase, State

pytestmark = pytest.mark.req("H01.FR.02")


@pytest.fixture
async def active(stage):
    """An Active reservation of EVSE 1, 15 minutes long; nothing is noted of it."""
    known = await stage.reserve()
    stage.stations.told()
    stage.told()
    return known


@pytest.mark.row(23)
@pytest.mark.parametrize(
    ("answer", "phase"),
    [(accepted, Phase.ACTIVE), (refused(), Phase.EXPIRED_CLOSED), (silent, Phase.EXPIRED_CLOSED)],
)
async def test_a_report_waits_for_the_answer(stage, active, answer, phase):
    """Accepted drops it, anything else applies it."""
    stage.stations.answers("replace", Stations.HOLD)
    stage.orders.start(stage.ask_replacement(await stage.propose(active, evse_id=2)), name="replace")
    await stage.settle()

    await stage.report(active, "Expired")
    assert await stage.phase(active) is Phase.ACTIVE
    stage.stations.answer(answer)
    await stage.settle()

    assert await stage.phase(active) is phase


@pytest.mark.row(25)
@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (accepted, Phase.ACTIVE),
        (refused(), Phase.EXPIRED_CLOSED),
        (errored("NotSupported"), Phase.EXPIRED_CLOSED),
        (silent, Phase.UNCONFIRMED),
        (errored("GenericError"), Phase.UNCONFIRMED),
    ],
)
async def test_expired_of_the_old_terms_asks_for_the_current_ones_once(stage, active, answer, phase):
    """The station counted on with what had been replaced."""
    await stage.replaced(active, expiry=stage.after(1800))
    stage.stations.told()
    stage.stations.answers("renew", answer)
    stage.stations.answers("cancel", Stations.HOLD)

    await stage.report(active, "Expired")

    assert await stage.phase(active) is phase
    renewed = [one.ask.terms.expiry for one in stage.stations.sent if one.ask.kind == "renew"]
    assert renewed == [stage.after(1800)]


@pytest.mark.row(25)
async def test_a_station_whose_clock_is_ahead_is_asked_too(stage, active):
    """By its clock the current terms are over: it says so itself, and nothing waits for the sweep."""
    await stage.change_station(clock_offset=timedelta(hours=1))
    await stage.replaced(active, expiry=stage.after(1800))
    stage.stations.answers("renew", refused())

    await stage.report(active, "Expired")

    assert await stage.phase(active) is Phase.EXPIRED_CLOSED


@pytest.mark.row(25)
async def test_a_second_report_counts(stage, active):
    """It is of the current terms."""
    await stage.replaced(active, expiry=stage.after(1800))
    await stage.report(active, "Expired")
    await stage.report(active, "Expired")

    assert await stage.phase(active) is Phase.EXPIRED_CLOSED


@pytest.mark.row(51)
async def test_the_old_terms_are_asked_for_as_long_as_the_stations_clock_allows(stage, active):
    """The station is an hour behind: by its clock the old terms have not run out, and the sweep waits for that too."""
    await stage.change_station(clock_offset=timedelta(hours=-1))
    await stage.move(890)
    stage.stations.answers("replace", Stations.HOLD)
    stage.orders.start(stage.ask_replacement(await stage.propose(active, expiry=stage.after(1800))), name="replace")
    await stage.move(20)
    assert active.terms.expiry < stage.clock.now()

    stage.stations.answer(refused())
    await stage.settle()

    assert [one.ask.kind for one in stage.stations.sent][-1] == "undo"


@pytest.mark.row(25)
async def test_a_renewal_that_never_left_is_tried_again(stage, active):
    """5 s later; past the expiry no more."""
    await stage.replaced(active, expiry=stage.after(8))
    stage.stations.answers("renew", never_left("station-busy"))
    await stage.report(active, "Expired")
    await stage.move(5)
    assert [one.ask.kind for one in stage.stations.sent].count("renew") == 2

    await stage.move(30)

    known = await stage.get(active)
    assert (known.state, known.due) == (State.ACTIVE, None)


@pytest.mark.row(54)
async def test_a_use_in_the_middle_of_a_replacement(stage, active):
    """Used by the reserved token; after the answer one clean-up cancel, as there might be a second hold."""
    await stage.add_token(TAG_B)
    station = await stage.connect()
    stage.stations.answers("replace", Stations.HOLD)
    proposed = await stage.propose(active, evse_id=2, id_token=TAG_B)
    stage.orders.start(stage.ask_replacement(proposed), name="replace")
    await stage.settle()

    await stage.transaction(station, reservation_id=active.id, id_token=TAG_B, evse_id=2)
    assert await stage.phase(active) is Phase.USED_PROVEN
    stage.stations.answer(accepted)
    await stage.settle()

    assert await stage.phase(active) is Phase.USED_PROVEN
    assert stage.stations.told() == [("replace", active.id), ("clean-up", active.id)]


async def test_a_clean_up_lasts_until_the_later_expiry(stage, active):
    """The station may hold what it never answered."""
    stage.stations.answers("replace", silent)
    stage.stations.answers("cancel", cancel_rejected())
    await stage.replaced(active, expiry=stage.after(1800))
    ask = stage.stations.sent[0].ask
    assert await stage.phase(active) is Phase.REMOVED_OPEN
    await stage.move(1000)
    stage.stations.told()

    await stage.late(ask, lambda ask: Accepted(ask=ask))

    assert stage.stations.told() == [("clean-up", active.id)]
    assert active.terms.expiry < stage.clock.now()
