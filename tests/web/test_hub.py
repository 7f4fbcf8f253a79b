"""Streams that are told together: the same bytes for all who see the same, and still each event once, in order, for each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from evhold.adapters.bus_local import LocalBus
from evhold.domain.events import ConnectorChanged, Event, RegistryChanged, StationPresence
from evhold.domain.values import ConnectorId, EvseId, StationId
from evhold.usecases.ports import StorageAway, Told
from evhold.web import hub as hub_module
from evhold.web.hub import Hub
from evhold.web.lines import HEARTBEAT, HELLO, Line, Sight
from evhold.web.live import Streams, Wanted
from evhold.web.viewer import Viewer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CS1 = StationId("CS1")
#: Longer than any test.
NEVER_S = 3600.0
EVERYTHING = Wanted(names=(), station_id=None, id_token=None, visible=None)
PRESENCE = Wanted(names=("station.*",), station_id=None, id_token=None, visible=None)


def change(number: int = 0) -> Event:
    """A connector has changed; every fourth is a station that has come."""
    if number % 4 == 3:
        return StationPresence(at=NOON, station_id=CS1, online=True)
    return ConnectorChanged(
        at=NOON, station_id=CS1, evse_id=EvseId(1), connector_id=ConnectorId(1), status="Occupied", since=NOON
    )


class Stored:
    """The log of events, in memory."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.away = 0

    async def after(self, seq: int, *, limit: int) -> list[Told]:
        """The next events behind this number."""
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise StorageAway("unplugged")
        return self.told[seq : seq + limit]

    async def pruned(self) -> int:
        """None is gone."""
        return 0

    async def last(self) -> int:
        """The highest number."""
        return len(self.told)


@dataclass
class Anybody:
    """An audience; it is over when it hears that its key, of this id, has changed."""

    sight: Sight = EVERYTHING
    key: str = "1"
    over: bool = False

    def hear(self, event: RegistryChanged) -> bool:
        """Its key has."""
        self.over |= (event.kind, event.key) == ("key", self.key)
        return self.over

    async def is_over(self) -> bool:
        """It has heard so."""
        return self.over


@dataclass
class Reader:
    """Whoever reads a stream: as many pieces as it is allowed, all unless told otherwise."""

    node: Node
    audience: Anybody
    after: int | None
    allowed: asyncio.Semaphore | None = None
    pieces: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        viewer = Viewer(self.audience, follow=self.node.bus.follow, hub=self.node.hub, after=self.after)
        self.stream: AsyncIterator[bytes] = self.node.streams.tell(viewer, self.audience)
        self.task = asyncio.create_task(self._read())

    @property
    def seqs(self) -> list[int]:
        """The numbers of all events that it has read."""
        return [int(number) for piece in self.pieces for number in re.findall(rb"id: (\d+)\n", piece)]

    async def leave(self) -> None:
        """It hangs up."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def _read(self) -> None:
        while self.allowed is None or await self.allowed.acquire():
            try:
                self.pieces.append(await anext(self.stream))
            except StopAsyncIteration:
                return


class Node:
    """The log, the bus and the streams of a process. Chunks are told at once, unless the test has a hub of its own."""

    def __init__(self, hub: Hub | None = None, *, queue: int = 1_000, heartbeat_s: float = NEVER_S) -> None:
        self.log = Stored()
        self.bus = LocalBus(self.log, position=0, queue=queue)
        self.hub = hub or Hub(gather_s=0)
        self.streams = Streams(heartbeat_s=heartbeat_s, hub=self.hub)
        self.readers: list[Reader] = []

    def come(
        self, sight: Sight = EVERYTHING, *, after: int | None = None, allowed: asyncio.Semaphore | None = None
    ) -> Reader:
        """One more reader."""
        self.readers.append(Reader(self, Anybody(sight), after, allowed))
        return self.readers[-1]

    def tell(self, *events: Event) -> int:
        """They are committed together; the number of the last."""
        first = len(self.log.told) + 1
        told = [Told(first + number, event) for number, event in enumerate(events)]
        self.log.told += told
        self.bus.tell(told)
        return told[-1].seq

    async def seated(self, *readers: Reader) -> None:
        """These are told together from now on: two events have come to all."""
        for _ in range(2):
            last = self.tell(change())
            await until(lambda: all(one.seqs[-1:] == [last] for one in readers))  # noqa: B023  # awaited here

    async def close(self) -> None:
        """Everybody has hung up."""
        for one in self.readers:
            await one.leave()


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node whose readers are gone at the end."""
    made = Node()
    yield made
    await made.close()


async def until(is_so: Callable[[], bool]) -> None:
    """It is so; a test that waits in vain is ended."""
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0)


async def ended(*readers: Reader) -> None:
    """Their streams have ended."""
    async with asyncio.timeout(20):
        await asyncio.gather(*(one.task for one in readers))


async def settled() -> None:
    """Whatever can happen without waiting for time has happened."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_those_who_see_the_same_are_given_the_same_bytes(node: Node) -> None:
    """One object for all of them, and one line's text for whoever sees it; what others want makes no difference."""
    alike = [node.come(Wanted(names=(), station_id=None, id_token=None, visible=None)) for _ in range(5)]
    other = node.come(PRESENCE)
    await node.seated(*alike)
    last = node.tell(*(change(number) for number in range(8)))
    await until(lambda: all(one.seqs[-1] == last for one in [*alike, other]))
    assert len({id(one.pieces[-1]) for one in alike}) == 1
    assert alike[0].pieces[-1].count(b"\nevent: ") == 8
    assert other.seqs == [6, 10]


async def test_an_event_is_encoded_once_for_all(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are who see it, and however different is what they see."""
    made: list[int] = []
    with_data = Line.with_data

    def noted(line: Line, data: object) -> bytes:
        made.append(line.seq)
        return with_data(line, data)

    monkeypatch.setattr(Line, "with_data", noted)
    readers = [node.come(EVERYTHING if number % 2 else PRESENCE) for number in range(10)]
    for _ in range(2):
        last = node.tell(change(3))
        await until(lambda: all(one.seqs[-1:] == [last] for one in readers))  # noqa: B023  # awaited here
    made.clear()
    last = node.tell(change(3))
    await until(lambda: all(one.seqs[-1] == last for one in readers))
    assert made == [last]


async def test_few_events_are_told_as_they_come_and_many_together() -> None:
    """A few do not wait for a pause that is due only after many; then what has come meanwhile is one piece."""
    node = Node(Hub(gather_s=0.3, at_once=4, a_seat_s=1))
    reader = node.come()
    await node.seated(reader)
    before = len(reader.pieces)
    for _ in range(40):
        last = node.tell(change())
        await settled()
    await until(lambda: reader.seqs[-1] == last)
    assert reader.seqs == list(range(1, last + 1))
    assert len(reader.pieces) - before < 40
    await node.close()
    patient = Node(Hub(gather_s=NEVER_S, at_once=4, a_seat_s=NEVER_S))
    reader = patient.come()
    for _ in range(4):
        last = patient.tell(change())
        await until(lambda: reader.seqs[-1:] == [last])  # noqa: B023  # awaited here
    await patient.close()


async def test_a_slow_reader_holds_nobody_and_misses_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it has a bound; beyond it, it reads the log, from where it was, and comes to the others again."""
    monkeypatch.setattr(hub_module, "MAX_WAITING", 1_000)
    allowed = asyncio.Semaphore(10)
    quick, slow = node.come(), node.come(allowed=allowed)
    await node.seated(quick, slow)
    seat = slow_seat(node, quick)
    while not allowed.locked():
        await allowed.acquire()
    await settled()
    for _ in range(50):
        last = node.tell(change())
        await until(lambda: quick.seqs[-1] == last)  # noqa: B023  # awaited here
        assert sum(len(body) for _, body in seat._waiting) <= 1_000
    assert seat.is_lost
    assert slow.seqs[-1] < last
    for _ in range(60):
        allowed.release()
    await until(lambda: slow.seqs[-1] == last)
    assert slow.seqs == quick.seqs == list(range(1, last + 1))
    last = node.tell(change())
    await until(lambda: slow.seqs[-1] == quick.seqs[-1] == last)
    last = node.tell(change())
    await until(lambda: slow.seqs[-1] == quick.seqs[-1] == last)
    assert slow.pieces[-1] is quick.pieces[-1]


def slow_seat(node: Node, quick: Reader) -> hub_module.Seat:
    """The seat that is not the quick one's: it was taken second."""
    viewers = list(node.streams._open)
    assert quick is node.readers[0]
    seat = viewers[1]._seat
    assert seat is not None
    return seat


async def test_what_is_committed_after_a_revocation_is_not_told(node: Node) -> None:
    """Not even when it is told at once with it; those who may stay are told all."""
    revoked, other = node.come(), node.come(PRESENCE)
    other.audience.key = "2"
    await node.seated(revoked)
    node.tell(RegistryChanged(at=NOON, kind="key", key="1"), change(3))
    await ended(revoked)
    await until(lambda: bool(other.seqs))
    assert revoked.seqs == [1, 2]
    assert other.seqs == [4]


async def test_an_end_is_heard_by_those_who_see_nothing(node: Node) -> None:
    """A revocation wakes a stream that no event was for."""
    reader = node.come(EVERYTHING)
    await node.seated(reader)
    node.tell(RegistryChanged(at=NOON, kind="token", key="1"))
    await settled()
    assert not reader.task.done()
    node.tell(RegistryChanged(at=NOON, kind="key", key="1"))
    await ended(reader)
    assert node.streams.open == 0


async def test_all_streams_end_when_the_server_stops(node: Node) -> None:
    """Those who are told together, one that is still by itself, and one that comes after."""
    seated, alone = node.come(), node.come(PRESENCE)
    await node.seated(seated)
    node.streams.end()
    late = node.come()
    await ended(seated, alone, late)
    assert late.pieces == [HELLO]
    assert node.streams.open == 0


async def test_heartbeats_come_to_all() -> None:
    """Also when others are told something meanwhile."""
    node = Node(heartbeat_s=0.01)
    seated, quiet = node.come(), node.come(PRESENCE)
    await node.seated(seated)
    await until(lambda: HEARTBEAT in quiet.pieces and seated.pieces[-1] == HEARTBEAT)
    await node.close()


async def test_nobody_follows_when_nobody_looks(node: Node) -> None:
    """With the last stream the hub goes; it comes again with the next."""
    reader = node.come()
    await node.seated(reader)
    await reader.leave()
    await settled()
    assert list(node.bus._followers) == []
    again = node.come(after=reader.seqs[-1])
    await node.seated(again)
    assert again.seqs == [3, 4]


async def test_an_outage_of_the_storage_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those told together wait until what was too much at once can be read; one that catches up by itself has to come again."""
    monkeypatch.setattr(hub_module, "RETRY_S", 0)
    node = Node(queue=3)
    reader = node.come()
    await node.seated(reader)
    node.log.away = 2
    with capture_logs() as logs:
        last = node.tell(*(change() for _ in range(10)))
        await until(lambda: reader.seqs[-1] == last)
    assert reader.seqs == list(range(1, last + 1))
    assert [one["event"] for one in logs] == ["live.storage-away"] * 2
    node.log.away = 1
    unlucky = node.come(after=0)
    await ended(unlucky)
    assert unlucky.pieces == [HELLO]
    await node.close()


async def test_a_fault_is_logged_and_stops_no_other(node: Node) -> None:
    """An event that one sight can't make a text of ends its own streams; the others go on, each event once."""
    reader, broken = node.come(), node.come(Broken(at=3))
    await node.seated(reader, broken)
    with capture_logs() as logs:
        node.tell(change())
        await asyncio.gather(broken.task, return_exceptions=True)
        last = node.tell(change())
        await until(lambda: reader.seqs[-1] == last)
    assert reader.seqs == [1, 2, 3, 4]
    assert broken.seqs == [1, 2]
    assert [one["event"] for one in logs] == ["live.fault"]


@dataclass(frozen=True)
class Broken:
    """A sight with a defect."""

    at: int

    def text_of(self, line: Line) -> bytes | None:
        """None of this number."""
        if line.seq == self.at:
            raise ZeroDivisionError
        return line.text


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_everybody_is_told_everything_once_and_in_order(random: Random) -> None:
    """Whoever comes when, reads how slowly, goes and comes again: all that it may see after where it began."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "MAX_WAITING", random.choice([1, 500, 5_000]))
        asyncio.run(play(random))


async def play(random: Random) -> None:
    """Some readers, some events, in some order; at the end all have read all."""
    node = Node(Hub(gather_s=random.choice([0, 0, 0.001]), at_once=1), queue=random.choice([1, 5, 100]))
    begun: dict[int, int] = {}
    read: dict[int, list[int]] = {}

    def come(sight: Sight, after: int | None) -> None:
        one = node.come(sight, after=after, allowed=asyncio.Semaphore(0))
        begun[id(one)] = node.bus.position if after is None else after
        read[id(one)] = []

    for number in range(random.randint(20, 60)):
        what = random.random()
        if what < 0.15 or not node.readers:
            come(random.choice([EVERYTHING, PRESENCE]), random.choice([None, random.randint(0, node.bus.position)]))
        elif what < 0.5:
            node.tell(*(change(number + n) for n in range(random.randint(1, 6))))
        elif what < 0.9:
            for _ in range(random.randint(1, 4)):
                allowed = random.choice(node.readers).allowed
                assert allowed is not None
                allowed.release()
        else:
            await come_again(node, random.randrange(len(node.readers)), begun, read)
        for _ in range(random.choice([0, 0, 1, 2, 10])):
            await asyncio.sleep(0)
    await finish(node, begun, read)


async def come_again(node: Node, place: int, begun: dict[int, int], read: dict[int, list[int]]) -> None:
    """A reader hangs up and comes with the number of the last event that it has read."""
    one = node.readers.pop(place)
    await one.leave()
    seen = read.pop(id(one)) + one.seqs
    start = begun.pop(id(one))
    again = node.come(one.audience.sight, after=seen[-1] if seen else start, allowed=asyncio.Semaphore(0))
    begun[id(again)], read[id(again)] = start, seen


async def finish(node: Node, begun: dict[int, int], read: dict[int, list[int]]) -> None:
    """Nobody is slow any more, and everybody has read what it should have."""
    node.tell(change(3))
    for one in node.readers:
        assert one.allowed is not None
        for _ in range(1_000):
            one.allowed.release()
    for one in node.readers:
        wanted = seen_from(node.log.told, one.audience.sight, begun[id(one)])
        await until(lambda: (read[id(one)] + one.seqs)[-1:] == wanted[-1:])  # noqa: B023  # awaited here
        assert read[id(one)] + one.seqs == wanted
    await node.close()


def seen_from(told: Sequence[Told], sight: Sight, after: int) -> list[int]:
    """The numbers of what is seen after this one."""
    return [one.seq for one in told if one.seq > after and sight.text_of(Line(one)) is not None]
