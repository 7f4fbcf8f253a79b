"""One charging station: what happens at it, and what it then tells. Pure: time and ids are passed in, messages come out of `outbox`.

House rules
- Every method changes the state first and reports last (`_publish`), so that what is told is what is true.
- Time is always the station's own clock, aware UTC.
- A reservation is consumed in one place, `_accept` (H03.FR.09).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from msgspec import UNSET, Struct

from evhold.ocpp.v201.datatypes import BootReasonEnumType, ChargingStationType, IdTokenInfoType, IdTokenType
from evhold.ocpp.v201.messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    BootNotificationRequest,
    BootNotificationResponse,
    ReservationStatusUpdateRequest,
)
from evhold.simulator.options import StationOptions
from evhold.simulator.outbox import Outbox, Outgoing
from evhold.simulator.reader import Swipe, evse_of_choice
from evhold.simulator.reports import Reporter
from evhold.simulator.reservations import (
    asks_for_group,
    is_reserved,
    matching,
    remove_expired,
    remove_unservable,
    settle,
)
from evhold.simulator.state import Evse, Reservation, StationState, same_token, token_key
from evhold.simulator.transactions import (
    DEAUTHORIZED,
    FAULT,
    NEVER_PLUGGED,
    POWER_LOST,
    STOPPED_BY_TOKEN,
    UNPLUGGED,
    Ending,
    Transactions,
)


class Station:
    """The station's state and everything that can happen to it.

    Args:
        options: Its hardware and habits.
        new_id: Makes transaction ids.
    """

    def __init__(self, options: StationOptions, *, new_id: Callable[[], str]) -> None:
        self.options = options
        self.state = StationState.of_layout(options.layout())
        self.outbox = Outbox(queue_all=options.queue_all, attempts=options.attempts)
        self.reporter = Reporter(self.state, self.outbox, reports=options.reports)
        self.transactions = Transactions(
            self.outbox, new_id=new_id, start_point=options.tx_start_point, refused=self._deauthorized
        )
        self.enabled = options.enabled
        self.password = self._next_password = options.password
        self.connection_timeout_s = options.connection_timeout_s
        self.heartbeat_s = 300.0
        self.boot_status: str | None = None
        self.reboot_asked: BootReasonEnumType | None = None
        self._cache: dict[tuple[str, str], IdTokenInfoType] = {}
        self._boot_reason: BootReasonEnumType | None = "PowerUp"
        self._offline_since: datetime | None = None
        self._lives = 0

    # The connection

    def connected(self, now: datetime) -> None:
        """There is a socket: boot when that is due, else tell what has changed meanwhile (B01, B04)."""
        self.outbox.online = True
        if self._boot_reason is not None:
            self.boot(self._boot_reason, now=now)
            return
        away = timedelta(0) if self._offline_since is None else now - self._offline_since
        if away.total_seconds() > self.options.offline_threshold_s:
            self.reporter.forget()  # B04.FR.01
        self.reporter.changes(now)

    def disconnected(self, now: datetime) -> None:
        """The socket is gone; the station goes on by itself (E04)."""
        self._offline_since = now
        self.outbox.disconnected(now)

    def boot_again(self, now: datetime) -> None:
        """Send the BootNotification that was not accepted once more (B02.FR.05, B03.FR.06)."""
        self.boot(self._boot_reason or "Triggered", now=now)

    def boot(self, reason: BootReasonEnumType, *, now: datetime) -> None:
        """Send BootNotification before everything else."""
        options = self.options
        hardware = ChargingStationType(
            model=options.model,
            vendor_name=options.vendor,
            firmware_version=options.firmware,
            serial_number=options.serial_number or options.station_id[:25],
        )
        request = BootNotificationRequest(charging_station=hardware, reason=reason)
        self.outbox.put(Outgoing("BootNotification", request, self._booted), now=now, first=True)

    def _booted(self, answer: Struct | None, now: datetime) -> None:
        if not isinstance(answer, BootNotificationResponse):
            self.boot_status = None
            return
        self.boot_status = answer.status
        self.heartbeat_s = float(answer.interval) if answer.interval > 0 else self.heartbeat_s
        self.outbox.registered = answer.status == "Accepted"
        if self.outbox.registered:
            if self._boot_reason is not None:
                self.reporter.forget()  # B01.FR.05: every connector after a boot; Reserved survives it (B01.FR.13)
            self._boot_reason = None
            self.reporter.changes(now)

    # Drivers and their cars

    def plug_in(self, evse_id: int, *, now: datetime, connector_id: int | None = None) -> None:
        """A cable is put in. At a Reserved EVSE it stays Reserved until the right token comes (G01.FR.06)."""
        evse = self.state.evses[evse_id]
        if evse.plugged is not None:
            return
        evse.plugged = connector_id or evse.connectors[0].id
        evse.connect_by = None
        holder = self._glued(evse)
        self._publish(now)
        if evse.in_service:
            evse.untold = evse.untold if holder is None else holder
            self.transactions.cable_in(evse, now=now)

    def unplug(self, evse_id: int, *, now: datetime) -> None:
        """The car drives away; a transaction ends with it (E01, E07)."""
        evse = self.state.evses[evse_id]
        if evse.plugged is None:
            return
        self._end(evse, UNPLUGGED, now=now)
        evse.plugged, evse.taken = None, False
        self._publish(now)

    def present(self, token: IdTokenType, *, now: datetime, evse_id: int | None = None) -> Swipe:
        """A token is held to the reader of an EVSE, or of the station (C01, H03).

        Returns:
            The swipe; its outcome comes at once, or with the answer to an Authorize.
        """
        swipe = Swipe(token)
        evse = self.state.evses[evse_id] if evse_id is not None else evse_of_choice(self.state, token)
        if evse is None or not evse.in_service:
            swipe.outcome = "Refused"
        elif evse.token is not None:
            self._present_again(evse, swipe, now=now)
        else:
            self._examine(evse, swipe, now=now)
        return swipe

    def _present_again(self, evse: Evse, swipe: Swipe, *, now: datetime) -> None:
        if not same_token(evse.token, swipe.token):
            swipe.outcome = "Refused"
            return
        self._end(evse, STOPPED_BY_TOKEN, now=now)
        swipe.outcome = "Stopped"
        self._publish(now)

    def _examine(self, evse: Evse, swipe: Swipe, *, now: datetime) -> None:
        own = matching(self.state, evse, token=swipe.token)
        if own is None and is_reserved(self.state, evse) and not asks_for_group(self.state, evse):
            swipe.outcome = "Refused"  # H03: a foreign token at a Reserved EVSE; nothing is asked or told
            return
        known = self._cache.get(token_key(swipe.token)) if self.options.cache else None
        if known is not None:
            self._decide(evse, swipe, known, now=now)  # H03.FR.07
        elif self.outbox.online:
            self.authorize(evse, swipe, now=now)
        else:
            self._decide_offline(evse, swipe, now=now)

    def authorize(self, evse: Evse, swipe: Swipe, *, now: datetime) -> None:
        """Ask the CSMS about the token, and decide by its answer (H03.FR.08)."""

        life = self._lives

        def then(answer: Struct | None, at: datetime) -> None:
            if life != self._lives:
                swipe.outcome = "Refused"  # the reader forgot it in a reboot
            elif isinstance(answer, AuthorizeResponse):
                self._cache[token_key(swipe.token)] = answer.id_token_info
                self._decide(evse, swipe, answer.id_token_info, now=at)
            elif not self.outbox.online:
                self._decide_offline(evse, swipe, now=at)
            else:
                swipe.outcome = "Refused"

        self.outbox.put(Outgoing("Authorize", AuthorizeRequest(id_token=swipe.token), then), now=now)

    def _decide_offline(self, evse: Evse, swipe: Swipe, *, now: datetime) -> None:
        # The reservation itself is the CSMS's word that its idToken may charge here.
        own = matching(self.state, evse, token=swipe.token) if evse.token is None else None
        if own is not None or self.options.offline_unknown:
            self._decide(evse, swipe, IdTokenInfoType(status="Accepted"), now=now)
        else:
            swipe.outcome = "Refused"

    def _decide(self, evse: Evse, swipe: Swipe, info: IdTokenInfoType, *, now: datetime) -> None:
        group = None if info.group_id_token is UNSET else info.group_id_token
        reservation = matching(self.state, evse, token=swipe.token, group=group)
        shut = is_reserved(self.state, evse) and reservation is None
        if info.status != "Accepted" or shut or evse.token is not None or not evse.in_service:
            swipe.outcome = "Refused"
            return
        swipe.outcome = "Accepted"
        self.accept(evse, swipe, reservation, now=now)

    def accept(self, evse: Evse, swipe: Swipe, reservation: Reservation | None, *, now: datetime) -> None:
        """Let the token charge here and consume its reservation (H03.FR.09, H03.FR.10)."""
        if reservation is not None:
            del self.state.reservations[reservation.id]
            evse.untold = reservation.id
        evse.token, evse.taken, evse.remote_start_id = swipe.token, True, swipe.remote_start_id
        if evse.plugged is None:
            evse.connect_by = now + timedelta(seconds=self.connection_timeout_s)
        self._publish(now)
        self.transactions.authorized(evse, now=now)

    def _deauthorized(self, evse: Evse, transaction_id: str, now: datetime) -> None:
        if evse.transaction is not None and evse.transaction.id == transaction_id:
            self._end(evse, DEAUTHORIZED, now=now)
            self._publish(now)

    # Faults, orders, time

    def fault(self, evse_id: int, *, now: datetime) -> None:
        """The EVSE breaks: what is reserved there, or can no longer be kept, is Removed (H01.FR.16)."""
        evse = self.state.evses[evse_id]
        evse.faulted = True
        self.reporter.problem(evse, now=now)
        self._end(evse, FAULT, now=now)
        self._publish(now)

    def clear_fault(self, evse_id: int, *, now: datetime) -> None:
        """The EVSE works again."""
        evse = self.state.evses[evse_id]
        evse.faulted = False
        self.reporter.problem(evse, now=now)
        self._publish(now)

    def set_operative(self, evses: Iterable[Evse], operative: bool, *, now: datetime) -> bool:
        """Make EVSEs Operative or Inoperative; False when a transaction has to end first (H01.FR.17, G03).

        What is reserved there, or can no longer be kept, is Removed.
        """
        at_once = True
        for evse in evses:
            if not operative and evse.transaction is not None:
                evse.becomes_inoperative, at_once = True, False
            else:
                evse.operative, evse.becomes_inoperative = operative, False
                if not operative:
                    _release(evse)
        self._publish(now)
        return at_once

    def end_transaction(self, evse: Evse, ending: Ending, *, now: datetime) -> None:
        """End the transaction of an EVSE, the cable stays."""
        self._end(evse, ending, now=now)
        self._publish(now)

    def changed(self, now: datetime) -> None:
        """Report what a change of reservations or connectors made of the statuses."""
        self._publish(now)

    def tick(self, now: datetime) -> None:
        """Do what is due by this time: expiries (H04) and cables that never came."""
        expired = remove_expired(self.state, now=now)
        for evse in self.state.evses.values():
            if evse.connect_by is not None and evse.connect_by <= now:
                self._end(evse, NEVER_PLUGGED, now=now)
        self._publish(now, expired=expired)

    def next_deadline(self) -> datetime | None:
        """When `tick` has something to do next."""
        times = [r.expires for r in self.state.reservations.values()]
        times += [e.connect_by for e in self.state.evses.values() if e.connect_by is not None]
        return min(times, default=None)

    def take_password(self, password: str) -> Literal["Accepted", "RebootRequired"]:
        """The next connection uses it, or the first one after the next boot (A01)."""
        self._next_password = password
        if self.options.misbehaviour.password_after_reboot:
            return "RebootRequired"
        self.password = password
        return "Accepted"

    def reboot(self, reason: BootReasonEnumType, *, now: datetime, ending: Ending = POWER_LOST) -> None:
        """The station starts anew: transactions end, reservations survive unless it forgets them (B01.FR.13, B11.FR.05)."""
        self._lives += 1
        self.outbox.online = False
        for evse in self.state.evses.values():
            self._end(evse, ending, now=now)
        if self.options.forget_on_reboot:
            self.state.reservations.clear()
        settle(self.state)
        self.reporter.forget()
        self.outbox.rebooted(now)
        self._boot_reason, self.boot_status, self.reboot_asked = reason, None, None
        self.password = self._next_password

    def _end(self, evse: Evse, ending: Ending, *, now: datetime) -> None:
        self.transactions.end(evse, ending, now=now)
        _release(evse)
        if evse.becomes_inoperative:
            evse.operative, evse.becomes_inoperative = False, False

    def _glued(self, evse: Evse) -> int | None:
        if not self.options.misbehaviour.reservation_id_on_plug_in or not is_reserved(self.state, evse):
            return None
        return next((r.id for r in self.state.reservations.values() if r.evse_id == evse.id), None)

    def _publish(self, now: datetime, expired: Iterable[Reservation] = ()) -> None:
        settle(self.state)
        ended = [(r.id, "Expired") for r in expired]
        ended += [(r.id, "Removed") for r in remove_unservable(self.state)]
        settle(self.state)
        faulty = self.options.misbehaviour
        if not faulty.update_before_status:
            self.reporter.changes(now)
        for reservation_id, status in [] if faulty.no_update else ended:
            update = ReservationStatusUpdateRequest(
                reservation_id=reservation_id,
                reservation_update_status="Expired" if status == "Expired" else "Removed",
            )
            self.outbox.put(Outgoing("ReservationStatusUpdate", update), now=now)
        self.reporter.changes(now)


def _release(evse: Evse) -> None:
    """Forget the token; the EVSE stays taken while a car stands at it."""
    evse.token, evse.remote_start_id, evse.connect_by, evse.untold = None, None, None, None
    evse.taken = evse.plugged is not None and evse.taken
