"""A simulated station on a simulated socket, and the truth about its reservations."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET
from sim_loop import World
from sim_network import Link, Weather

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.ocpp.v201.messages import (
    CancelReservationRequest,
    CancelReservationResponse,
    ReservationStatusUpdateRequest,
    ReserveNowRequest,
    ReserveNowResponse,
    TransactionEventRequest,
)
from evhold.simulator.conversation import Conversation, Message
from evhold.simulator.options import StationOptions
from evhold.simulator.reader import Swipe
from evhold.simulator.state import Evse, Reservation
from evhold.simulator.station import Station

Connect = Callable[["SimStation"], Link | None]


@dataclass(slots=True)
class Truth:
    """What really happened to one reservation at its station. Times are true ones.

    Args:
        reserves: The statuses that ReserveNow was answered, answered or lost on the way.
        used_at: When its token was accepted.
        ends: Why it was no longer held, in order: ``canceled``, ``used``, ``forgotten``, ``gone`` (expired, removed, dropped).
        reported: ReservationStatusUpdates that the CSMS has acknowledged.
        told: TransactionEvents naming it that the CSMS has acknowledged.
        disturbed: Since it was forgotten, the station told something else that forbids to restore it.
    """

    reserves: list[str] = field(default_factory=list)
    used_at: datetime | None = None
    ends: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    told: list[TransactionEventRequest] = field(default_factory=list)
    disturbed: bool = False

    @property
    def was_held(self) -> bool:
        """Whether the station ever held it."""
        return "Accepted" in self.reserves

    @property
    def is_proven(self) -> bool:
        """Whether the CSMS has acknowledged that its driver used it."""
        return self.used_at is not None and any(one.id_token is not UNSET for one in self.told)


class _Watched(Station):
    """A station that says why reservations go."""

    consumed: Callable[[int], None]

    def accept(self, evse: Evse, swipe: Swipe, reservation: Reservation | None, *, now: datetime) -> None:
        """As ever."""
        if reservation is not None:
            self.consumed(reservation.id)
        super().accept(evse, swipe, reservation, now=now)


class SimStation:
    """One station: its state machine is the simulator's, its socket a Link."""

    def __init__(
        self, world: World, options: StationOptions, *, connect: Connect, weather: Weather, rng: random.Random
    ) -> None:
        self.world, self.options, self.weather = world, options, weather
        self.truth: dict[int, Truth] = {}
        self.acknowledged: list[TransactionEventRequest] = []
        self.wanted = True
        self.link: Link | None = None
        self._connect, self._rng = connect, rng
        self._count = 0
        self._timer = 0
        self._connecting = False
        self._held: set[int] = set()
        self._forgotten: set[int] = set()
        self._reason = "gone"
        station = _Watched(options, new_id=self._new_id)
        station.consumed = self._consumed
        self.station: Station = station
        self._conversation = Conversation(station, new_id=self._new_id)

    @property
    def id(self) -> str:
        """As in the address."""
        return self.options.station_id

    @property
    def now(self) -> datetime:
        """By its own clock."""
        return self.world.now + self.options.misbehaviour.clock_offset

    @property
    def is_online(self) -> bool:
        """Whether the CSMS has accepted it, as far as the station knows."""
        return self.link is not None and self.station.outbox.registered

    def truth_of(self, reservation_id: int) -> Truth:
        """The truth about one reservation; an empty one if the station never heard of it."""
        return self.truth.setdefault(reservation_id, Truth())

    # What happens to it

    def act(self, what: Callable[[Station, datetime], object]) -> None:
        """Something happens at the station."""
        what(self.station, self.now)
        self._advance()

    def present(self, evse_id: int | None, token: str) -> None:
        """A token is held to the reader."""
        held = IdTokenType(id_token=token, type="ISO14443")
        self.act(lambda station, now: station.present(held, now=now, evse_id=evse_id))

    def reboot(self) -> None:
        """As after a power cut."""
        self.world.note(f"{self.id} reboots")
        self._reason = "forgotten"
        self.station.reboot("PowerUp", now=self.now)
        self._hang_up()
        self._reason = "gone"
        self.come(1.0 + 20 * self._rng.random())

    def leave(self) -> None:
        """It is out of reach until `come`."""
        self.wanted = False
        self._hang_up()

    def come(self, seconds: float) -> None:
        """It connects some seconds later, and again whenever it lost its socket."""
        if self._connecting:
            return
        self._connecting = True
        self.world.after(seconds, self._dial)

    def _dial(self) -> None:
        self._connecting = False
        if not self.wanted or self.link is not None:
            return
        self.link = self._connect(self)
        if self.link is None:
            self.come(0.5 + 4 * self._rng.random())
            return
        self.world.note(f"{self.id} connects")
        self._conversation.opened(self.now)
        self._advance()

    def _hang_up(self) -> None:
        link, self.link = self.link, None
        self._conversation.closed(self.now)
        if link is not None:
            link.hang_up()
        self._advance()

    # Its socket

    def received(self, link: Link, text: bytes) -> None:
        """One frame came."""
        if link is self.link:
            self.world.note(f"{self.id} <- {text.decode()}")
            self._conversation.receive_text(text, now=self.now)
            self._advance()

    def closed(self, link: Link) -> None:
        """It is gone."""
        if link is self.link:
            self.world.note(f"{self.id} lost its socket")
            self.link = None
            self._keep_answers(link)
            self._conversation.closed(self.now)
            self._advance()
            self.come(0.1 + 5 * self._rng.random())

    def _advance(self) -> None:
        self._conversation.pump(self.now)
        output, self._conversation.output = self._conversation.output, []
        for text, delay_s in output:
            self.world.after(delay_s, self._sender(text)) if delay_s else self._send(self.link, text)
        messages, self._conversation.messages = self._conversation.messages, []
        self._learn(messages)
        if self._conversation.wants_close and self.link is not None:
            self._hang_up()
            self.come(0.1 + 5 * self._rng.random())
            return
        self._set_timer()

    def _sender(self, text: bytes) -> Callable[[], None]:
        link = self.link
        return lambda: self._send(link, text)

    def _send(self, link: Link | None, text: bytes) -> None:
        if link is not None and link is self.link:
            self.world.note(f"{self.id} -> {text.decode()}")
            link.send_up(text)

    def _keep_answers(self, link: Link) -> None:
        """Some stations send an answer that a lost socket swallowed once more, on the new one."""
        if self._rng.random() < 0.3:
            for text in [one for one in link.lost if one.startswith(b"[3,")]:
                self.world.after(6 + 10 * self._rng.random(), self._resender(text))

    def _resender(self, text: bytes) -> Callable[[], None]:
        return lambda: self._send(self.link, text)

    def _set_timer(self) -> None:
        self._timer += 1
        mine, deadline = self._timer, self._conversation.next_deadline()
        if deadline is None:
            return

        def wake() -> None:
            if mine == self._timer:
                self._conversation.tick(self.now)
                self._advance()

        self.world.after(max(0.001, (deadline - self.now).total_seconds()), wake)

    # The truth

    def _consumed(self, reservation_id: int) -> None:
        truth = self.truth_of(reservation_id)
        truth.used_at = self.world.now
        truth.ends.append("used")
        self._held.discard(reservation_id)
        self.world.note(f"{self.id} lets the driver of {reservation_id} in")

    def _learn(self, messages: list[Message]) -> None:
        for message in messages:
            self._learn_one(message.request, message.answer)
        held = set(self.station.state.reservations)
        for reservation_id in sorted(self._held - held):
            self.truth_of(reservation_id).ends.append(self._reason)
            self.world.note(f"{self.id} holds {reservation_id} no more: {self._reason}")
            if self._reason == "forgotten":
                self._forgotten.add(reservation_id)
        self._held = held
        self._watch_forgotten(messages)

    def _watch_forgotten(self, messages: list[Message]) -> None:
        """Any TransactionEvent, and any status but Available, makes the silence after a boot ambiguous."""
        is_loud = any(message.action == "TransactionEvent" for message in messages)
        is_free = {
            evse.id: all(self.station.reporter.status_of(evse, one) == "Available" for one in evse.connectors)
            for evse in self.station.state.evses.values()
        }
        if self._forgotten and (is_loud or not all(is_free.values())):
            for reservation_id in self._forgotten:
                self.truth_of(reservation_id).disturbed = True

    def _learn_one(self, request: Any, answer: Any) -> None:
        match request, answer:
            case ReserveNowRequest(), ReserveNowResponse():
                truth = self.truth_of(request.id)
                truth.reserves.append(answer.status)
                if answer.status != "Accepted" and truth.ends[-1:] == ["forgotten"]:
                    truth.ends.append("refused again")
            case CancelReservationRequest(), CancelReservationResponse(status="Accepted"):
                self.truth_of(request.reservation_id).ends.append("canceled")
                self._held.discard(request.reservation_id)
            case ReservationStatusUpdateRequest(), _:
                self.truth_of(request.reservation_id).reported.append(request.reservation_update_status)
            case TransactionEventRequest(), _:
                self.acknowledged.append(request)
                if isinstance(request.reservation_id, int):
                    self.truth_of(request.reservation_id).told.append(request)

    def _new_id(self) -> str:
        self._count += 1
        return f"{self.id}-{self._count}-{self._rng.getrandbits(32):08x}"


def offset(seconds: float) -> timedelta:
    """How far a clock is wrong."""
    return timedelta(seconds=seconds)
