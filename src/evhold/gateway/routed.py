"""CALLs to stations wherever their sockets are: of this node by hand, of another one by a request over the mesh."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Raw

from evhold.domain.station import Presence
from evhold.domain.values import StationId
from evhold.gateway.commands import LocalCalls
from evhold.gateway.mesh import (
    CallEnded,
    CallWanted,
    Mesh,
    NobodyThere,
    NoReply,
    Withdrawn,
    WithdrawWanted,
    call_subject,
    decode_answer,
    decode_asked,
    encode,
)
from evhold.gateway.whereabouts import Place, Whereabouts
from evhold.usecases.ports import CallAnswer, CallFailed, CallResult, Clock, NeverSent, NoAnswer

#: How much longer the asking node waits than the owner does.
MARGIN: Final = timedelta(seconds=1)
WITHDRAW_TIMEOUT_S: Final = 2.0

OFFLINE: Final = NeverSent(reason="station-offline")


class RoutedCalls:
    """`RawCalls` for the stations of all nodes.

    Args:
        local: For stations of this node.
        mesh: For the others.
        whereabouts: Where these are.
        clock: The nodes' clocks have to agree within a second.
        call_timeout_s: How long a station may take to answer.
    """

    def __init__(
        self,
        local: LocalCalls,
        *,
        mesh: Mesh,
        whereabouts: Whereabouts,
        clock: Clock,
        call_timeout_s: float,
    ) -> None:
        self._local = local
        self._mesh = mesh
        self._whereabouts = whereabouts
        self._clock = clock
        #: How long a CALL may wait for its turn at the owner, and then for its answer.
        self._patience = 2 * timedelta(seconds=call_timeout_s) + MARGIN
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def presence(self, station_id: StationId) -> Presence:
        """Return whether the station can be asked from here."""
        here = self._local.presence(station_id)
        if here.online:
            return here
        place = self._whereabouts.find(station_id) if self._mesh.is_up else None
        return Presence(online=False, registered=False) if place is None else place.presence

    async def call(
        self,
        station_id: StationId,
        action: str,
        payload: bytes,
        *,
        message_id: str,
        urgent: bool = False,
        not_after: datetime | None = None,
        on_sent: Callable[[datetime], None] | None = None,
    ) -> CallAnswer:
        """Return how the CALL ended; see `RawCalls.call`."""
        if self._local.presence(station_id).online:
            return await self._local.call(
                station_id,
                action,
                payload,
                message_id=message_id,
                urgent=urgent,
                not_after=not_after,
                on_sent=on_sent,
            )
        deadline = self._clock.now() + self._patience
        wanted = CallWanted(
            action=action,
            payload=Raw(payload),
            message_id=message_id,
            deadline=deadline,
            urgent=urgent,
            not_after=not_after,
        )
        return await self._request(station_id, wanted, on_sent=on_sent)

    async def withdraw(self, station_id: StationId, message_id: str) -> bool:
        """Take back a CALL that waits for its turn, at whatever node; see `RawCalls.withdraw`."""
        if self._local.presence(station_id).online:
            return await self._local.withdraw(station_id, message_id)
        wanted = encode(WithdrawWanted(message_id=message_id))
        try:
            answer = await self._mesh.request(call_subject(station_id), wanted, timeout_s=WITHDRAW_TIMEOUT_S)
        except (NobodyThere, NoReply):
            return False
        ended = decode_answer(answer)
        return isinstance(ended, Withdrawn) and ended.done

    def lost(self, place: Place) -> None:
        """The node of this station is gone: whoever waits for an answer from there gets none."""
        for cut in self._waiting.get(place.station_id.casefold(), ()):
            if not cut.done():
                cut.set_result(None)

    # As the asking node

    async def _request(
        self, station_id: StationId, wanted: CallWanted, *, on_sent: Callable[[datetime], None] | None
    ) -> CallAnswer:
        subject, timeout_s = call_subject(station_id), (self._patience + MARGIN).total_seconds()
        cut = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(station_id.casefold(), set())
        waiting.add(cut)
        asked = asyncio.ensure_future(self._mesh.request(subject, encode(wanted), timeout_s=timeout_s))
        try:
            await asyncio.wait([asked, cut], return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                return NoAnswer(reason="connection-lost")
            ended = decode_answer(asked.result())
        except NobodyThere:
            return OFFLINE
        except NoReply:
            # It may have left: never NeverSent.
            return NoAnswer(reason="connection-lost")
        finally:
            asked.cancel()
            waiting.discard(cut)
            if not waiting:
                self._waiting.pop(station_id.casefold(), None)
        return self._outcome(station_id, ended, on_sent=on_sent)

    def _outcome(
        self, station_id: StationId, ended: CallEnded | Withdrawn, *, on_sent: Callable[[datetime], None] | None
    ) -> CallAnswer:
        if isinstance(ended, Withdrawn):
            return NoAnswer(reason="unreadable-answer")
        if ended.clock_offset_s is not None:
            self._whereabouts.learned(station_id, clock_offset=timedelta(seconds=ended.clock_offset_s))
        if ended.sent_at is not None and on_sent is not None:
            on_sent(ended.sent_at)
        match ended.kind:
            case "result":
                return CallResult(payload=bytes(ended.payload))
            case "error":
                return CallFailed(code=ended.code, description=ended.description, details=bytes(ended.payload))
            case "no-answer":
                return NoAnswer(reason=ended.reason)
            case "never-sent":
                return NeverSent(reason=ended.reason)


class Answering:
    """The owner's side: CALLs that other nodes want sent to stations of this one.

    Args:
        local: Sends them.
        clock: Ours.
        call_timeout_s: As for ``RoutedCalls``.
        expect: Told of each before it leaves.
        clock_offset: Of a station of this node.
    """

    def __init__(
        self,
        local: LocalCalls,
        *,
        clock: Clock,
        call_timeout_s: float,
        expect: Callable[[StationId, str, bytes], None],
        clock_offset: Callable[[StationId], timedelta],
    ) -> None:
        self._local = local
        self._clock = clock
        self._call_timeout = timedelta(seconds=call_timeout_s)
        self._expect = expect
        self._clock_offset = clock_offset

    async def answer(self, station_id: StationId, asked: bytes) -> bytes | None:
        """Return the reply, before the deadline; None: nobody waits for it any more, and nothing was done."""
        wanted = decode_asked(asked)
        if isinstance(wanted, WithdrawWanted):
            done = await self._local.withdraw(station_id, wanted.message_id)
            return encode(Withdrawn(done=done))
        # So late that its turn must have come, it still has the whole time for the station's answer.
        last = wanted.deadline - self._call_timeout - MARGIN
        if self._clock.now() >= wanted.deadline:
            return None
        payload, sent = bytes(wanted.payload), list[datetime]()
        self._expect(station_id, wanted.action, payload)
        answer = await self._local.call(
            station_id,
            wanted.action,
            payload,
            message_id=wanted.message_id,
            urgent=wanted.urgent,
            not_after=last if wanted.not_after is None else min(last, wanted.not_after),
            on_sent=sent.append,
        )
        ended = _ended(answer)
        ended.sent_at = sent[0] if sent else None
        ended.clock_offset_s = self._clock_offset(station_id).total_seconds()
        return encode(ended)


def _ended(answer: CallAnswer) -> CallEnded:
    match answer:
        case CallResult(payload=payload):
            return CallEnded(kind="result", payload=Raw(payload))
        case CallFailed(code=code, description=description, details=details):
            return CallEnded(kind="error", code=code, description=description, payload=Raw(details))
        case NoAnswer(reason=reason):
            return CallEnded(kind="no-answer", reason=reason)
        case NeverSent(reason=reason):
            return CallEnded(kind="never-sent", reason=reason)
