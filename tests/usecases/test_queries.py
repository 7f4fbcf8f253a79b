"""The read side: stations with their connectors, reservations as far as they may be seen."""

import pytest
from usecase_fakes import START, TAG_A, TAG_B, ScriptedStations, connector, reservation

from evhold.domain.authorization import Token
from evhold.domain.errors import ReservationUnknown, StationUnknown, TokenUnknown
from evhold.domain.reservation import State
from evhold.domain.station import Presence, Station
from evhold.domain.transitions import created
from evhold.domain.values import Heard
from evhold.usecases import queries
from evhold.usecases.stores import ReservationFilter


@pytest.fixture
def storage(storage):
    """Reservation 1 of TAG_A and 2 of TAG_B."""
    for one in (reservation(1, id_token=TAG_A), reservation(2, id_token=TAG_B, state=State.USED)):
        storage.now.reservations.insert(created(one, Heard(at=START)))
    return storage


async def test_a_station_is_shown_with_its_connectors_and_its_presence(storage):
    """Found without case."""
    storage.now.connectors.put(connector())

    view = await queries.station("cs1", storage=storage, stations=ScriptedStations())

    assert (view.station.id, view.connectors, view.is_online) == ("CS1", (connector(),), True)
    with pytest.raises(StationUnknown):
        await queries.station("GONE", storage=storage, stations=ScriptedStations())


def test_a_station_that_is_not_registered_is_not_online(storage):
    """A socket alone is not enough."""
    presence = Presence(online=True, registered=False)

    assert not queries.StationView(station=Station(id="CS1"), connectors=(), presence=presence).is_online


async def test_stations_are_shown_in_pages(storage):
    """In the order of their ids, each with its connectors."""
    storage.now.stations.put(Station(id="CS2"))
    storage.now.connectors.put(connector())
    offline = ScriptedStations(online=False)

    every = await queries.stations_page(storage=storage, stations=offline)
    first = await queries.stations_page(storage=storage, stations=offline, limit=1)
    rest = await queries.stations_page(storage=storage, stations=offline, limit=1, after="CS1")

    assert [view.station.id for view in every] == ["CS1", "CS2"]
    assert [view.connectors for view in every] == [(connector(),), ()]
    assert (first, rest) == (every[:1], every[1:])
    assert not every[0].is_online


async def ids_of(storage, wanted=None, visible_to=None):
    """The ids of a page."""
    page, _ = await queries.reservations_page(wanted or ReservationFilter(), storage=storage, visible_to=visible_to)
    return [one.id for one in page]


async def test_a_driver_sees_its_own_reservations_in_a_page(storage):
    """A wish for others narrows to nothing; a key without tokens sees nothing."""
    only_b = ReservationFilter(id_tokens=(TAG_B,))

    assert await ids_of(storage) == [2, 1]
    assert await ids_of(storage, only_b) == [2]
    assert await ids_of(storage, visible_to=(TAG_A,)) == [1]
    assert await ids_of(storage, only_b, (TAG_A, TAG_B)) == [2]
    assert await ids_of(storage, only_b, (TAG_A,)) == []
    assert await ids_of(storage, visible_to=()) == []


async def test_another_driver_s_reservation_is_unknown(storage):
    """The reservation and its history alike."""
    assert (await queries.reservation(1, storage=storage, visible_to=(TAG_A,))).id == 1
    assert [row.row for row in await queries.history(1, storage=storage)] == [1]
    for look in (queries.reservation, queries.history):
        with pytest.raises(ReservationUnknown):
            await look(2, storage=storage, visible_to=(TAG_A,))


async def test_reservations_are_counted_by_state(storage):
    """For the metrics."""
    assert await queries.reservation_counts(storage=storage) == {State.ACTIVE: 1, State.USED: 1}


async def test_tokens_and_keys_are_listed(storage):
    """A token can be asked for by itself."""
    token = Token(id_token=TAG_A)
    storage.now.tokens.put(token)

    assert await queries.tokens_page(storage=storage) == [token]
    assert await queries.tokens_page(storage=storage, after=TAG_A.key) == []
    assert await queries.token(TAG_A, storage=storage) == token
    assert await queries.keys(storage=storage) == []
    with pytest.raises(TokenUnknown):
        await queries.token(TAG_B, storage=storage)
