"""E01-E13: TransactionEvents are folded, answered about their token, and meet reservations."""

from datetime import timedelta

import pytest
from usecase_fakes import GROUP, START, TAG_A, TAG_B, connected, heard, reservation, seconds

from evhold.domain.authorization import Token, TokenInfo, TokenStatus
from evhold.domain.reservation import State
from evhold.domain.station import Station
from evhold.domain.transaction import Event
from evhold.domain.transitions import created
from evhold.domain.values import Heard
from evhold.usecases import e01_transaction, h03_use
from evhold.usecases.e01_transaction import REMEMBERED
from evhold.usecases.ports import Connected, Rules


@pytest.fixture
def storage(storage):
    """CS1 with an Active reservation 1 for TAG_A, who is registered with a group."""
    storage.now.tokens.put(Token(id_token=TAG_A, group=GROUP))
    reserve(storage, 1)
    return storage


def reserve(storage, number, station_id="CS1"):
    """An Active reservation."""
    active = reservation(number, station_id=station_id, evse_id=number)
    storage.now.reservations.insert(created(active, Heard(at=START)))


def event(seq_no=0, type_="Started", **given):
    """An event of transaction T1 at CS1."""
    plain = {"trigger": "CablePluggedIn", "stamp": START + seconds(seq_no), "evse_id": 1, "transaction_id": "T1"}
    return Event(**{"station_id": "CS1", "type": type_, "seq_no": seq_no, **plain, **given})


async def report(storage, connection, event, *, rules=Rules(), consume=h03_use.consume):  # noqa: B008 - a value
    """Report the event."""
    return await e01_transaction.report(
        event,
        connection,
        at=event.stamp,
        heard=heard(),
        storage=storage,
        recorder=storage,
        rules=rules,
        consume=consume,
    )


async def test_live_events_tell_the_stations_clock(storage):
    """Two that agree; what was made offline says nothing of the clock now."""
    ahead = timedelta(minutes=7)
    connection = Connected(station_id="CS1", epoch=1)

    async def hear(number, **given):
        one = event(number, "Updated", stamp=START + ahead, transaction_id="T9", **given)
        await e01_transaction.report(
            one,
            connection,
            at=START,
            heard=heard(),
            storage=storage,
            recorder=storage,
            rules=Rules(),
            consume=h03_use.consume,
        )

    await hear(0, offline=True)
    await hear(1, offline=True)
    assert connection.clock_offset is None
    await hear(2)
    await hear(3)
    assert connection.clock_offset == ahead
    assert storage.now.stations.get("CS1").clock_offset == ahead


def reserved(storage, number=1):
    """The reservation."""
    return storage.now.reservations.get(number)


def never(*args, **kwargs):
    """What must not be called."""
    raise AssertionError("consumed")


@pytest.mark.req("G01.FR.06")
async def test_an_event_without_a_reservation_goes_the_quick_way(storage):
    """It is recorded and remembered, touches no reservation, and needs no answer about a token."""
    connection = connected()

    assert await report(storage, connection, event(), consume=never) is None

    assert [one.transaction_id for one in storage.recorded] == ["T1"]
    assert connection.transactions == {"T1": storage.recorded[0]}
    assert (storage.writes, connection.bound_transactions) == (0, set())
    assert reserved(storage).state is State.ACTIVE


@pytest.mark.req("E01.FR.11", "E01.FR.12", "E02.FR.02", "E03.FR.02")
async def test_an_event_with_a_token_is_answered_as_authorize_is(storage):
    """Status and group; the transaction remembers that somebody was accepted."""
    connection = connected()

    info = await report(storage, connection, event(id_token=TAG_A))
    unknown = await report(storage, connection, event(1, "Updated", id_token=TAG_B))

    assert info == TokenInfo(status=TokenStatus.ACCEPTED, group=GROUP)
    assert unknown == TokenInfo(status="Unknown")
    assert storage.recorded[0].token_accepted
    assert storage.recorded[1].id_token == TAG_A


async def test_an_unknown_token_is_accepted_where_the_rules_say_so(storage):
    """As Authorize would."""
    info = await report(storage, connected(), event(id_token=TAG_B), rules=Rules(accept_unknown_tokens=True))

    assert info == TokenInfo(status="Accepted")


@pytest.mark.req("E13")
async def test_the_same_event_again_changes_nothing_and_is_answered_the_same(storage):
    """On the quick way: no second row."""
    connection = connected()
    first = await report(storage, connection, event(id_token=TAG_A))

    assert await report(storage, connection, event(id_token=TAG_A)) == first
    assert len(storage.recorded) == 1


@pytest.mark.req("E13")
async def test_a_repeated_use_changes_nothing(storage):
    """A reservation is consumed once, also when the repeat comes over a new connection."""
    use = event(id_token=TAG_A, reservation_id=1)
    first = await report(storage, connected(), use)
    used = reserved(storage)

    assert await report(storage, connected(), use) == first
    assert reserved(storage) == used
    assert used.state is State.USED


@pytest.mark.req("E01.FR.13", "E02.FR.03", "E03.FR.03", "F02.FR.06")
@pytest.mark.parametrize("type_", ["Started", "Updated", "Ended"])
async def test_a_reservation_id_in_any_event_type_uses_the_reservation(storage, type_):
    """It comes once, after the authorization; transaction and reservation are stored together."""
    connection = connected()

    await report(storage, connection, event(type_=type_, id_token=TAG_A, reservation_id=1))

    assert (reserved(storage).state, reserved(storage).transaction_id) == (State.USED, "T1")
    assert storage.recorded == []
    assert connection.transactions["T1"] == storage.now.transactions.find("CS1", "T1")
    assert connection.bound_transactions == {"T1"}


async def test_later_events_of_a_bound_transaction_prove_the_use(storage):
    """They carry no reservationId, and go the ordinary way all the same."""
    connection = connected()
    await report(storage, connection, event(reservation_id=1))
    assert not reserved(storage).proven

    await report(storage, connection, event(1, "Updated", id_token=TAG_A))

    assert reserved(storage).proven
    assert storage.recorded == []


async def test_a_transaction_that_ends_clean_gives_the_reservation_back(storage):
    """A foreign car plugged in and left; the transaction is bound no more."""
    connection = connected()
    await report(storage, connection, event(reservation_id=1))

    await report(storage, connection, event(1, "Ended"))

    assert reserved(storage).state is State.ACTIVE
    assert connection.bound_transactions == set()


async def test_after_a_reconnect_a_bound_transaction_is_found_again(storage):
    """Though the connection remembers nothing of it."""
    await report(storage, connected(), event(reservation_id=1))

    connection = connected()
    await report(storage, connection, event(1, "Updated", id_token=TAG_A))

    assert reserved(storage).proven
    assert connection.bound_transactions == {"T1"}


@pytest.mark.row(42)
@pytest.mark.parametrize("reservation_id", [0, -1, 99, 2])
async def test_an_id_that_means_nothing_here_changes_nothing(storage, reservation_id):
    """Zero, negative, unknown, another station's: the event is stored and answered."""
    storage.now.stations.put(Station(id="CS2"))
    reserve(storage, 2, "CS2")

    info = await report(storage, connected(), event(id_token=TAG_A, reservation_id=reservation_id))

    assert info == TokenInfo(status="Accepted", group=GROUP)
    assert storage.now.transactions.find("CS1", "T1").id_token == TAG_A
    assert {reserved(storage, 1).state, reserved(storage, 2).state} == {State.ACTIVE}


@pytest.mark.req("E04.FR.01", "E04.FR.02")
async def test_an_offline_event_uses_the_reservation_at_its_own_time(storage):
    """The stamp is the station's, however late it arrives."""
    stamp = START - seconds(600)

    await report(storage, connected(), event(id_token=TAG_A, reservation_id=1, offline=True, stamp=stamp))

    assert reserved(storage).used_at == stamp


async def test_an_event_that_was_not_stored_is_not_remembered(storage):
    """The recorder's failure is raised: the station sends it again."""
    storage.broken = True
    connection = connected()

    with pytest.raises(OSError, match="disk full"):
        await report(storage, connection, event())

    assert connection.transactions == {}


async def test_memory_is_bounded(storage):
    """The transaction that was quiet longest is forgotten, and is read again when it speaks."""
    connection = connected()
    await report(storage, connection, event(reservation_id=1))
    for number in range(REMEMBERED):
        await report(storage, connection, event(transaction_id=f"other-{number}"))
    assert len(connection.transactions) == REMEMBERED
    assert connection.bound_transactions == set()

    await report(storage, connection, event(1, "Updated", id_token=TAG_A))

    assert reserved(storage).proven
