"""A row on its way: who waits for it is told once, in order, and nobody's fault is another's."""

from __future__ import annotations

import asyncio

import pytest

from evhold.adapters.sql.entry import Entry
from evhold.usecases.ports import StorageAway, is_stored


@pytest.fixture
def entry() -> Entry:
    """On its way."""
    return Entry(None, ("CS1", 1, 1), ("row",), ())  # type: ignore[arg-type]  # no table is needed


def test_those_who_asked_are_told_in_their_order_and_once(entry: Entry) -> None:
    """Before ``end`` returns, however often it is called; what went wrong is said with it."""
    told: list[str] = []
    entry.add_done_callback(lambda ended: told.append(f"first {ended.exception()}"))
    entry.add_done_callback(lambda ended: told.append("second"))
    assert is_stored(entry)
    assert not entry.done()
    entry.end(StorageAway("disk full"))
    entry.end(None)
    assert told == ["first disk full", "second"]
    assert entry.done()


def test_who_asks_late_is_told_at_once(entry: Entry) -> None:
    """It has ended already."""
    told: list[Entry] = []
    entry.end(None)
    entry.add_done_callback(told.append)
    assert told == [entry]


def test_one_who_fails_harms_nobody_else(entry: Entry) -> None:
    """The others are told all the same."""
    told: list[Entry] = []
    entry.add_done_callback(lambda ended: 1 / 0)  # type: ignore[arg-type,return-value]
    entry.add_done_callback(told.append)
    entry.end(None)
    assert told == [entry]


async def test_it_is_awaited_by_many(entry: Entry) -> None:
    """Also by one who goes away meanwhile; an error is raised for each."""

    async def wait() -> None:
        await entry

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    entry.end(StorageAway("disk full"))
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in outcomes] == [asyncio.CancelledError, StorageAway, StorageAway]
    with pytest.raises(StorageAway):
        await entry


def test_once_more_is_the_same_row_and_has_its_own_end(entry: Entry) -> None:
    """With everything that goes with it."""
    entry.fence, entry.events = ("CS1", 3), ()  # type: ignore[assignment]
    again = entry.again()
    assert (again.key, again.row, again.fence, again.is_again) == (entry.key, entry.row, entry.fence, True)
    again.end(None)
    assert not entry.done()
