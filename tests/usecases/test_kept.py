"""The places for what is kept: counted now and then, kept to the piece in between."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from usecase_fakes import CLI, CountedIds, CountedReads, MovedClock

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.storage import open_storage
from evhold.domain.authorization import Token
from evhold.domain.errors import LimitReached
from evhold.domain.values import IdToken
from evhold.registry import registry_calls
from evhold.usecases.kept import FRESH_S, FULL_S, Kept
from evhold.usecases.provision import PutStation, TokenOrder
from evhold.usecases.traces import Kind

MOST = {Kind.STATIONS: 2, Kind.TOKENS: 3, Kind.KEYS: 2, Kind.WEBHOOKS: 1}


@pytest.fixture
async def database():
    """An empty database."""
    opened = open_storage("sqlite://", clock=SystemClock())
    yield CountedReads(opened)
    await opened.close()


def token(number):
    """One of many."""
    return IdToken(f"TAG{number}", "ISO14443")


async def test_one_more_than_there_may_be_is_refused_and_counted(database):
    """The error names the option and its value; what was refused is not there."""
    refusals = Counter()
    kept = Kept(MOST, storage=database, clock=MovedClock(), refusals=refusals)
    calls = registry_calls(database, who=CLI, clock=MovedClock(), ids=CountedIds(), kept=kept)
    for number in range(3):
        await calls.tokens.put(TokenOrder(id_token=token(number)), who=CLI)
    with pytest.raises(LimitReached) as refused:
        await calls.tokens.put(TokenOrder(id_token=token(3)), who=CLI)
    assert (refused.value.limit, refused.value.most) == ("tokens-kept", 3)
    assert refusals == {"tokens-kept": 1}
    assert len(await calls.tokens.page()) == 3
    # What is there can be changed, and what goes makes room at once.
    await calls.tokens.put(TokenOrder(id_token=token(0), personal_message="Hello"), who=CLI)
    await calls.tokens.remove(token(1), who=CLI)
    await calls.tokens.put(TokenOrder(id_token=token(3)), who=CLI)


async def test_it_is_counted_once_a_minute(database):
    """And what others added by then is known; nobody is counted for each order."""
    clock = MovedClock()
    kept = Kept(MOST, storage=database, clock=clock)
    for _ in range(2):
        (await kept.place(Kind.TOKENS))()
    assert database.reads == 1
    assert kept.counts == {"tokens": (2, 3)}
    await database.transact(lambda tx: [tx.tokens.put(Token(id_token=token(number))) for number in range(3)])
    clock.move(FRESH_S - 1)
    assert database.reads == 1
    clock.move(1)
    take = await kept.place(Kind.TOKENS)
    assert database.reads == 2
    with pytest.raises(LimitReached):
        take()


async def test_where_it_is_full_a_place_that_became_free_elsewhere_is_found_soon(database):
    """Within seconds, and not before: a flood is not counted for each of its orders."""
    clock = MovedClock()
    kept = Kept(MOST, storage=database, clock=clock)
    await database.transact(lambda tx: [tx.tokens.put(Token(id_token=token(number))) for number in range(3)])
    for _ in range(10):
        with pytest.raises(LimitReached):
            (await kept.place(Kind.TOKENS))()
    assert database.reads == 1
    await database.transact(lambda tx: tx.tokens.remove(token(0)))
    clock.move(FULL_S)
    (await kept.place(Kind.TOKENS))()
    assert database.reads == 2


async def test_what_filled_up_since_it_was_counted_is_counted_again_soon(database):
    """The first refusal shortens the minute."""
    clock = MovedClock()
    kept = Kept(MOST, storage=database, clock=clock)
    (await kept.place(Kind.WEBHOOKS))()
    with pytest.raises(LimitReached):
        (await kept.place(Kind.WEBHOOKS))()
    clock.move(FULL_S)
    # It was taken in vain.
    (await kept.place(Kind.WEBHOOKS))()


async def test_stations_are_those_that_are_known_in_memory(database):
    """The gate can't wait for a database: it is told at once, and a No is counted."""
    clock, known, refusals = MovedClock(), ["CS1"], Counter()
    kept = Kept(MOST, storage=database, clock=clock, refusals=refusals, stations=lambda: len(known))
    assert kept.has_room(Kind.STATIONS)
    kept.take(Kind.STATIONS)
    assert not kept.has_room(Kind.STATIONS)
    known.clear()
    assert not kept.has_room(Kind.STATIONS)
    assert refusals == {"stations-kept": 2}
    clock.move(FULL_S)
    assert kept.has_room(Kind.STATIONS)
    assert database.reads == 0


async def test_orders_at_the_same_moment_share_the_places(database):
    """Of ten new stations two are there; nobody else took a place."""
    kept = Kept(MOST, storage=database, clock=MovedClock())
    calls = registry_calls(database, who=CLI, clock=MovedClock(), ids=CountedIds(), kept=kept)
    done = await asyncio.gather(
        *(calls.put_station(PutStation(station_id=f"CS{number}")) for number in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, LimitReached) for one in done) == 8
    assert len(await calls.stations()) == 2
