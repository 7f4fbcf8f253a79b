"""CALLs that cross nodes: what the asking node makes of every end, and what the owner does with what comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw

from evhold.domain.station import Presence
from evhold.domain.values import StationId
from evhold.gateway.mesh import CallWanted, NobodyThere, NoReply, Told, decode_answer, encode
from evhold.gateway.routed import Answering, RoutedCalls
from evhold.gateway.whereabouts import Whereabouts
from evhold.usecases.ports import CallAnswer, CallFailed, CallResult, NeverSent, NoAnswer
from evhold.usecases.stores import Owned

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CS1 = StationId("CS1")
OFFLINE = Presence(online=False, registered=False)
HERE = Told(station_id=CS1, node="b", epoch=4, registered=True, since=NOON)


@dataclass
class Clock:
    """Stands."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class Sockets:
    """LocalCalls of a node: its one station is there or not, and answers as the test says."""

    answer: CallAnswer = field(default_factory=lambda: CallResult(payload=b'{"status":"Accepted"}'))
    online: bool = False
    asked: list[tuple[str, datetime | None]] = field(default_factory=list)
    waits: bool = False

    def presence(self, station_id: StationId) -> Presence:
        return Presence(online=self.online, registered=self.online)

    async def call(self, station_id, action, payload, *, message_id, urgent, not_after, on_sent):
        self.asked.append((action, not_after))
        if self.waits:
            await asyncio.Event().wait()
        if not isinstance(self.answer, NeverSent):
            on_sent(NOON)
        return self.answer

    async def withdraw(self, station_id, message_id):
        return message_id == "waits"


class TwoNodes:
    """Node a asks; node b has the station. The mesh between them is a function call, or what the test makes of it."""

    is_up = True

    def __init__(self) -> None:
        self.clock = Clock()
        self.whereabouts = Whereabouts()
        self.here, self.there = Sockets(), Sockets(online=True)
        self.expected: list[str] = []
        self.request: Callable[..., Awaitable[bytes]] = self._deliver
        self.calls = RoutedCalls(
            self.here, mesh=self, whereabouts=self.whereabouts, clock=self.clock, call_timeout_s=30
        )
        self.answering = Answering(
            self.there,
            clock=self.clock,
            call_timeout_s=30,
            expect=lambda station_id, action, payload: self.expected.append(action),
            clock_offset=lambda station_id: timedelta(seconds=-7),
        )

    async def _deliver(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        assert subject == "evhold.call.cs1"
        reply = await self.answering.answer(CS1, payload)
        if reply is None:
            raise NoReply
        return reply

    async def call(self) -> CallAnswer:
        self.sent: list[datetime] = []
        return await self.calls.call(CS1, "Reset", b"{}", message_id="m", on_sent=self.sent.append)


@pytest.fixture
def nodes() -> TwoNodes:
    return TwoNodes()


@pytest.mark.parametrize(
    "answer",
    [
        CallResult(payload=b'{"a":[1,2]}'),
        CallFailed(code="NotSupported", description="no", details=b'{"x":1}'),
        NoAnswer(reason="timeout"),
        NeverSent(reason="station-busy"),
    ],
)
async def test_every_end_crosses_as_it_is(nodes: TwoNodes, answer: CallAnswer) -> None:
    """With the time at which the frame left, if it did, and what the owner knows of the station's clock."""
    nodes.there.answer = answer
    nodes.whereabouts.told(HERE)
    assert await nodes.call() == answer
    assert nodes.sent == ([] if isinstance(answer, NeverSent) else [NOON])
    assert nodes.expected == ["Reset"]
    place = nodes.whereabouts.find("cs1")
    assert place is not None
    assert place.clock_offset == timedelta(seconds=-7)


async def test_a_station_of_this_node_is_asked_by_hand(nodes: TwoNodes) -> None:
    """Nothing crosses."""
    nodes.here.online = True
    nodes.request = fails(AssertionError)
    assert isinstance(await nodes.call(), CallResult)


def fails(error: type[BaseException]) -> Callable[..., Awaitable[bytes]]:
    """A mesh on which every request ends so."""

    async def request(subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        raise error

    return request


async def test_nobody_there_is_offline_and_silence_is_not(nodes: TwoNodes) -> None:
    """What may have left is never called NeverSent."""
    nodes.request = fails(NobodyThere)
    assert await nodes.call() == NeverSent(reason="station-offline")
    nodes.request = fails(NoReply)
    assert await nodes.call() == NoAnswer(reason="connection-lost")


async def test_the_end_of_the_owner_ends_the_waiting(nodes: TwoNodes) -> None:
    """As soon as it is known; the time-out is not waited for."""
    nodes.there.waits = True
    nodes.whereabouts.told(HERE)
    asked = asyncio.create_task(nodes.call())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for place in nodes.whereabouts.gone({"a"}):
        nodes.calls.lost(place)
    assert await asked == NoAnswer(reason="connection-lost")
    assert nodes.calls.presence(CS1) == OFFLINE


async def test_the_owner_gives_up_in_time_and_does_nothing_too_late(nodes: TwoNodes) -> None:
    """The last moment to send leaves the station its whole time; behind the deadline nothing is sent at all."""
    await nodes.call()
    ((_, not_after),) = nodes.there.asked
    assert not_after == NOON + timedelta(seconds=30)
    late = CallWanted(action="Reset", payload=Raw(b"{}"), message_id="m", deadline=NOON)
    assert await nodes.answering.answer(CS1, encode(late)) is None
    assert len(nodes.there.asked) == 1


async def test_a_call_is_taken_back_at_the_owner(nodes: TwoNodes) -> None:
    """If it has not left; where nobody is, nothing is."""
    assert await nodes.calls.withdraw(CS1, "waits")
    assert not await nodes.calls.withdraw(CS1, "left")
    nodes.request = fails(NobodyThere)
    assert not await nodes.calls.withdraw(CS1, "waits")


async def test_an_ended_call_is_no_withdrawal(nodes: TwoNodes) -> None:
    """Replies tell themselves apart."""
    reply = await nodes.answering.answer(
        CS1, encode(CallWanted(action="A", payload=Raw(b"{}"), message_id="m", deadline=NOON + timedelta(minutes=1)))
    )
    assert reply is not None
    assert decode_answer(reply).sent_at == NOON  # type: ignore[union-attr]


async def test_without_the_mesh_other_nodes_stations_are_offline(nodes: TwoNodes) -> None:
    """They can't be asked."""
    nodes.whereabouts.told(HERE)
    assert nodes.calls.presence(CS1) == Presence(online=True, registered=True, since=NOON)
    nodes.is_up = False
    assert nodes.calls.presence(CS1) == OFFLINE


def test_the_newer_connection_wins_whatever_is_heard_last() -> None:
    """Also over the database, which was read a moment ago."""
    map_ = Whereabouts()
    map_.told(HERE)
    map_.told(Told(station_id=CS1, node="a", epoch=3))
    map_.told(Told(station_id=CS1, node="a", epoch=3, online=False))
    assert map_.find("CS1").node == "b"
    old = Owned(station_id=CS1, node="a", epoch=3, registered=True, clock_offset=timedelta())
    map_.asking()
    map_.answered([old], among=None)
    assert map_.find("CS1").node == "b"
    map_.asking()
    map_.told(Told(station_id=CS1, node="c", epoch=5))
    map_.answered([], among={CS1})
    assert map_.find("cs1").node == "c"
    map_.asking()
    map_.answered([], among={CS1})
    assert map_.find("CS1") is None
