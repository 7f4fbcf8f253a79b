"""The demo's site as it is planned, its people, and the pace at which they live."""

import asyncio
import random
from collections import Counter

import pytest

from evhold.simulator import blueprint
from evhold.simulator.blueprint import KEPT, colleague, everybody, people, plan
from evhold.simulator.pace import CALM_AFTER_S, GAP_S, QUICK, Pace


def test_the_site_has_two_locations_twelve_stations_and_26_evses():
    """With several connector types, an EVSE with two connectors, several models, and coordinates."""
    planned = plan(12)
    layouts = [one.options.layout() for one in planned]
    assert Counter(one.place.name for one in planned) == {"Northgate Park & Ride": 7, "Quayside Garage": 5}
    assert sum(len(layout) for layout in layouts) == 26
    assert {kind for layout in layouts for evse in layout for kind in evse} == {"cCCS2", "cType2", "cG105"}
    assert max(len(evse) for layout in layouts for evse in layout) == 2
    assert len({(one.options.vendor, one.options.model) for one in planned}) == 4
    assert all(50 < one.place.latitude < 60 and -10 < one.place.longitude < 0 for one in planned)


def test_some_stations_have_ways_of_their_own():
    """One is slow, one has its reservations switched off, and the named ones are there."""
    options = {one.options.station_id: one.options for one in plan(12)}
    slow = [station_id for station_id, one in options.items() if one.misbehaviour.answer_delay]
    off = [station_id for station_id, one in options.items() if not one.enabled]
    assert slow == [blueprint.SLOW]
    assert off == ["QS-05"]
    assert {KEPT.station_id, blueprint.FLAKY, blueprint.SERVICED.station_id} <= options.keys()


@pytest.mark.parametrize("size", [1, 12, 13, 150])
def test_a_site_of_any_size_begins_with_the_same_stations(size):
    """Each has an id of its own; the EVSE that is kept free is there in every one; beyond the twelve nobody is odd."""
    planned = plan(size)
    ids = [one.options.station_id for one in planned]
    assert len(set(ids)) == size
    assert KEPT.station_id in ids
    assert planned[:12] == plan(12)[:size]
    assert all(one.options.enabled and not one.options.misbehaviour.answer_delay for one in planned[12:])


@pytest.mark.parametrize("size", [1, 2, 12, 1000])
def test_people_have_cards_of_their_own(size):
    """They differ in their last four digits, which is what a page shows; colleagues have another card of the same group."""
    known = everybody(plan(size))
    assert len({one.token.id_token[-4:] for one in known}) == len(known)
    assert all(len(one.token.id_token) == 14 for one in known)
    tokens = {one.token.id_token for one in known}
    for driver in people(plan(size)):
        other = colleague(driver)
        assert other.group == driver.group
        assert other.token.id_token in tokens
        assert (other == driver) is (driver.group is None)


def test_there_are_as_many_people_as_the_site_can_bear():
    """One at least, fewer than EVSEs, and no crowd at a large site."""
    assert [len(people(plan(size))) for size in (1, 12, 1000)] == [2, 20, 40]


async def test_life_is_quick_at_first_and_then_calm():
    """The stretch grows to what was asked for, and stays there."""
    assert Pace(random.Random(1)).stretch() == pytest.approx(QUICK, rel=0.01)
    brief = Pace(random.Random(1), scale=1e-6)
    await asyncio.sleep(CALM_AFTER_S * 1e-6)
    assert brief.stretch() == pytest.approx(1e-6)


async def test_one_thing_happens_after_the_other():
    """Turns are given in the order in which they are asked for, with a gap between them."""
    pace, given = Pace(random.Random(1), scale=0.1), []

    async def wants(name: str) -> None:
        await pace.turn()
        given.append((name, asyncio.get_running_loop().time()))

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(wants(name))
    assert [name for name, _ in given] == ["a", "b", "c"]
    assert given[2][1] - given[0][1] >= 2 * GAP_S * QUICK * 0.1 * 0.9
