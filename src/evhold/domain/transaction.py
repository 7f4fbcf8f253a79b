"""A transaction as a fold of its TransactionEvents, in whatever order and however often they come (E01-E13)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, TransactionId

CHARGING: Final = "Charging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One TransactionEventRequest, without its meter samples. ``stamp`` is the station's; ``reservation_id`` None: not carried."""

    station_id: StationId
    transaction_id: TransactionId
    type: str
    stamp: datetime
    seq_no: int
    trigger: str
    offline: bool = False
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    id_token: IdToken | None = None
    reservation_id: ReservationId | None = None
    charging_state: str | None = None
    stopped_reason: str | None = None
    remote_start_id: int | None = None
    energy_wh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction. ``seen`` are the seqNos as sorted, joined ranges: ``((0, 5), (7, 7))``."""

    station_id: StationId
    transaction_id: TransactionId
    state: str = "Started"
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    reservation_id: ReservationId | None = None
    id_token: IdToken | None = None
    token_accepted: bool = False
    ever_charged: bool = False
    remote_start_id: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_stamp: datetime | None = None
    stopped_reason: str | None = None
    energy_wh: float | None = None
    seen: tuple[tuple[int, int], ...] = ()

    @property
    def is_complete(self) -> bool:
        """Every seqNo from the first to the last was seen, and the end."""
        return self.state == "Ended" and len(self.seen) == 1 and self.seen[0][0] == 0

    @property
    def ended_clean(self) -> bool:
        """Row 33: nobody was accepted, nothing charged, nobody started it remotely, and no event is missing."""
        return self.is_complete and not (self.token_accepted or self.ever_charged or self.remote_start_id is not None)

    def has_seen(self, seq_no: int) -> bool:
        """Whether this seqNo came before (E13: stations repeat)."""
        if not self.seen or seq_no > self.seen[-1][1]:
            return False
        return any(low <= seq_no <= high for low, high in self.seen)


def fold(known: Transaction | None, event: Event, *, token_accepted: bool) -> Transaction:
    """The transaction after this event. The first idToken is kept; an end stays an end.

    Args:
        known: As stored, None at its first event.
        event: What came; a repeat (``known.has_seen``) must not be folded again.
        token_accepted: Whether the event's idToken, if any, was answered Accepted.
    """
    base = known or Transaction(station_id=event.station_id, transaction_id=event.transaction_id)
    state = "Ended" if "Ended" in (base.state, event.type) else event.type if known is None else "Updated"
    started, last, energy = _times(base, event)
    # Made anew: transactions have many fields, their events are many, and `replace` looks at each field twice.
    return Transaction(
        station_id=base.station_id,
        transaction_id=base.transaction_id,
        state=state,
        evse_id=base.evse_id or event.evse_id,
        connector_id=base.connector_id or event.connector_id,
        reservation_id=base.reservation_id or event.reservation_id,
        id_token=base.id_token or event.id_token,
        token_accepted=base.token_accepted or token_accepted,
        ever_charged=base.ever_charged or event.charging_state == CHARGING,
        remote_start_id=event.remote_start_id if base.remote_start_id is None else base.remote_start_id,
        started_at=started,
        ended_at=event.stamp if event.type == "Ended" else base.ended_at,
        last_stamp=last,
        energy_wh=energy,
        stopped_reason=event.stopped_reason or base.stopped_reason,
        seen=_add(base.seen, event.seq_no),
    )


def _times(transaction: Transaction, event: Event) -> tuple[datetime, datetime | None, float | None]:
    """When it started, its last stamp, and its energy, with this event."""
    started = event.stamp if transaction.started_at is None else min(transaction.started_at, event.stamp)
    is_last = transaction.last_stamp is None or event.stamp >= transaction.last_stamp
    # A transaction's register only grows, and the event with its last value need not be the last to come.
    energy = transaction.energy_wh
    if energy is None or (event.energy_wh is not None and event.energy_wh > energy):
        energy = event.energy_wh
    return started, event.stamp if is_last else transaction.last_stamp, energy


def _add(seen: tuple[tuple[int, int], ...], seq_no: int) -> tuple[tuple[int, int], ...]:
    """The ranges with one more number, sorted and joined."""
    if seen and seq_no == seen[-1][1] + 1:
        # As nearly all do.
        return (*seen[:-1], (seen[-1][0], seq_no))
    ranges: list[tuple[int, int]] = []
    for low, high in sorted((*seen, (seq_no, seq_no))):
        if ranges and low <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
        else:
            ranges.append((low, high))
    return tuple(ranges)
