"""The station's side of one OCPP-J connection after another: feeds the station, sends what it has to tell. Pure: no socket, no timers.

The owner of the socket calls `opened`, `receive_text`, `closed` and, at `next_deadline`, `tick`; after each of them, and after
anything that happened to the station, it calls `pump`, sends `output`, and closes the socket when `wants_close`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import DecodeError, Raw, Struct

from evhold.ocpp.rpc.connection import AnswerReceived, CallReceived, Connection, ErrorReceived, OutgoingCall
from evhold.ocpp.rpc.errors import GenericError, RpcError
from evhold.ocpp.rpc.payload import decode, encode
from evhold.ocpp.v201.messages import ACTIONS, HeartbeatRequest
from evhold.simulator.answers import answer
from evhold.simulator.outbox import Outgoing
from evhold.simulator.station import Station
from evhold.simulator.transactions import RESET


class Message(NamedTuple):
    """A CALL with its answer, in either direction."""

    action: str
    request: Struct
    answer: Struct


class Output(NamedTuple):
    """One text to send, after so many seconds."""

    text: bytes
    delay_s: float = 0.0


class Conversation:
    """Connects a station with the OCPP-J wire.

    Args:
        station: The station whose words these are.
        new_id: Makes message ids.
    """

    def __init__(self, station: Station, *, new_id: Callable[[], str]) -> None:
        self.station = station
        self.output: list[Output] = []
        self.messages: list[Message] = []
        self.wants_close = False
        self._new_id = new_id
        self._connection: Connection | None = None
        self._in_flight: tuple[str, Outgoing, datetime] | None = None
        self._heartbeat_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._boot_at: datetime | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to send and nothing to wait for."""
        return self._in_flight is None and self.station.outbox.next() is None

    def opened(self, now: datetime) -> None:
        """A socket is open."""
        self._connection = Connection()
        self._heartbeat_at = self._boot_at = self._retry_at = None
        self.wants_close = False
        self.output.clear()
        self.station.connected(now)

    def closed(self, now: datetime) -> None:
        """The socket is gone; what was in flight is sent again if the station keeps such messages."""
        if self._connection is not None:
            self._connection, self._in_flight = None, None
            self.output.clear()
            self.station.disconnected(now)

    def receive_text(self, text: bytes, *, now: datetime) -> None:
        """Take one text message of the CSMS."""
        if self._connection is not None:
            self._connection.receive_text(text, now=now.timestamp())

    def next_deadline(self) -> datetime | None:
        """When `tick` has something to do next, by the station's clock."""
        times = [self.station.next_deadline()]
        if self._connection is not None:
            times += [self._heartbeat_at, self._retry_at, self._boot_at]
            times += [self._in_flight[2]] if self._in_flight is not None else []
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: datetime) -> None:
        """Do what is due by this time."""
        self.station.tick(now)
        if self._connection is None:
            return
        if self._in_flight is not None and self._in_flight[2] <= now:
            self._connection.expire(self._in_flight[0], now=now.timestamp())
            self._failed(now)
        if _is_due(self._retry_at, now):
            self._retry_at = None
        if _is_due(self._boot_at, now):
            self._boot_at = None
            self.station.boot_again(now)
        if _is_due(self._heartbeat_at, now):
            self._heartbeat_at = None
            self.station.outbox.put(Outgoing("Heartbeat", HeartbeatRequest()), now=now)

    def pump(self, now: datetime) -> None:
        """Work off what has come in and send what is due; the results are in `output`, `messages` and `wants_close`."""
        while self._connection is not None and not self.wants_close and (events := self._connection.events_received()):
            for event in events:
                if isinstance(event, CallReceived):
                    self._serve(event, now)
                elif isinstance(event, AnswerReceived) and not event.late:
                    self._answered(event.payload, now)
                elif isinstance(event, ErrorReceived) and not event.late:
                    self._failed(now)
            self._collect()
        self._reboot_if_asked(now)
        self._send_next(now)
        self._set_heartbeat(now)

    def _serve(self, call: CallReceived, now: datetime) -> None:
        connection, faulty = self._connection, self.station.options.misbehaviour
        if connection is None or self.wants_close:
            return
        if call.action in faulty.close_on:
            self.wants_close = True
            return
        try:
            if call.action in faulty.call_error:
                raise _error(faulty.call_error[call.action])
            request, response = answer(self.station, call.action, call.payload, now=now)
        except RpcError as error:
            connection.refuse(call.message_id, error)
            return
        self._collect()
        connection.answer(call.message_id, encode(response))
        for text in connection.data_to_send():
            if call.action not in faulty.never_answer:
                self.output.append(Output(text, faulty.answer_delay.get(call.action, 0.0)))
        self.messages.append(Message(call.action, request, response))

    def _answered(self, payload: Raw, now: datetime) -> None:
        if self._in_flight is None:
            return
        _, outgoing, _ = self._in_flight
        try:
            response = decode(payload, ACTIONS[outgoing.action][1])
        except DecodeError:
            self._failed(now)
            return
        self._in_flight = None
        self.station.outbox.done(outgoing, response, now=now)
        self.messages.append(Message(outgoing.action, outgoing.request, response))
        if outgoing.action == "BootNotification" and self.station.boot_status != "Accepted":
            self._boot_at = now + timedelta(seconds=self.station.heartbeat_s)  # B02.FR.05, B03.FR.06

    def _failed(self, now: datetime) -> None:
        if self._in_flight is None:
            return
        (_, outgoing, _), self._in_flight = self._in_flight, None
        if self.station.outbox.failed(outgoing, now=now):
            self._retry_at = now + timedelta(seconds=self.station.options.retry_s)
        elif outgoing.action == "BootNotification":
            self._boot_at = now + timedelta(seconds=self.station.options.retry_s)

    def _send_next(self, now: datetime) -> None:
        outgoing = self.station.outbox.next()
        if self._connection is None or self._in_flight is not None or outgoing is None or self.wants_close:
            return
        if self._retry_at is not None:
            return
        message_id = self._new_id()
        deadline = now + timedelta(seconds=self.station.options.call_timeout_s)
        self._in_flight = (message_id, outgoing, deadline)
        call = OutgoingCall(message_id, outgoing.action, encode(outgoing.request))
        self._connection.call(call, now=now.timestamp())
        self._connection.events_received()
        self._collect()
        self._heartbeat_at = None  # any message says that the station lives (G02.FR.06)

    def _set_heartbeat(self, now: datetime) -> None:
        if self._connection is None or not self.station.outbox.registered:
            self._heartbeat_at = None
        elif self._heartbeat_at is None:
            self._heartbeat_at = now + timedelta(seconds=self.station.heartbeat_s)

    def _reboot_if_asked(self, now: datetime) -> None:
        reason = self.station.reboot_asked
        busy = any(evse.transaction is not None for evse in self.station.state.evses.values())
        if reason is not None and not (busy and reason == "ScheduledReset"):
            self.station.reboot(reason, now=now, ending=RESET)
            self.wants_close = True

    def _collect(self) -> None:
        if self._connection is not None:
            self.output += [Output(text) for text in self._connection.data_to_send()]


def _is_due(time: datetime | None, now: datetime) -> bool:
    return time is not None and time <= now


def _error(code: str) -> RpcError:
    for kind in RpcError.__subclasses__():
        if kind.code == code:
            return kind()
    return GenericError(code)
