"""An order of our own to a station: chosen and stored as the open ask in one transaction, sent, and its end stored in another."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from evhold.domain.facts import Accepted, Errored, Fact, Refused
from evhold.domain.reservation import Reservation, with_ask
from evhold.domain.transitions import asked
from evhold.domain.values import Ask, AskKind, StationId
from evhold.usecases.ports import CancelAnswer, Clock, Ids, ReserveAnswer, StationCommands, Storage
from evhold.usecases.settle import heard_answer, settle
from evhold.usecases.stores import Tx

RESERVED: Final = "Reserved"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reservation, as read in this transaction, and the order that is to go out for it."""

    reservation: Reservation
    kind: AskKind


@dataclass(frozen=True, slots=True)
class Asked:
    """What the station said, and the reservation then."""

    reservation: Reservation
    answer: ReserveAnswer | CancelAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks stations on the CSMS's own account."""

    storage: Storage
    stations: StationCommands
    clock: Clock
    ids: Ids

    def is_there(self, station_id: StationId) -> bool:
        """Whether the station is connected, and its last boot was answered Accepted."""
        presence = self.stations.presence(station_id)
        return presence.online and presence.registered

    async def order(self, choose: Callable[[Tx], Wanted | None]) -> Asked | None:
        """The order that ``choose`` wants was committed, then sent, and its end is stored; None: it wants none any more.

        What was committed as asked is sent in any case: an order to a station that left meanwhile ends as NeverLeft, and
        is not left open for ever.
        """
        message_id = self.ids.message_id()

        def work(tx: Tx) -> tuple[Reservation, Ask] | None:
            wanted = choose(tx)
            if wanted is None:
                return None
            known, kind = wanted.reservation, wanted.kind
            terms = None if kind.is_cancel else known.terms
            ask = Ask(message_id=message_id, kind=kind, terms=terms, sent_at=self.clock.now())
            opened = with_ask(known, ask)
            tx.reservations.save(asked(opened))
            return opened, ask

        made = await self.storage.transact(work)
        return None if made is None else await self._send(made[0], made[1])

    async def _send(self, opened: Reservation, ask: Ask) -> Asked:
        answer: ReserveAnswer | CancelAnswer
        if ask.kind.is_cancel:
            answer, frames = await self.stations.cancel_reservation(opened.station_id, opened.id, ask)
        else:
            answer, frames = await self.stations.reserve_now(opened.station_id, opened.id, ask)
        heard = heard_answer(answer, frames, at=self.clock.now())
        step = await self.storage.transact(lambda tx: settle(tx, opened.id, with_reserved(tx, opened, answer), heard))
        return Asked(step.reservation, answer)


def with_reserved(tx: Tx, reservation: Reservation, fact: Fact) -> Fact:
    """Row 53: a refusal says whether every connector of the reserved EVSE is still Reserved."""
    evse_id = reservation.terms.evse_id
    if not isinstance(fact, Refused | Errored) or fact.ask.kind is not AskKind.UNDO or evse_id is None:
        return fact
    station = tx.stations.find(reservation.station_id)
    if station is None:
        return fact
    if station.booted_at is not None and taken_at(tx, reservation, booted_at=station.booted_at) <= station.booted_at:
        # What was Reserved before a boot may be forgotten by now, and the station has not told yet.
        return fact
    connectors = [one for one in tx.connectors.of(reservation.station_id) if one.evse_id == evse_id]
    return replace(fact, still_reserved=bool(connectors) and all(one.status == RESERVED for one in connectors))


def taken_at(tx: Tx, known: Reservation, *, booted_at: datetime) -> datetime:
    """When the station last accepted it: what it took, or took anew, after the boot it can't have forgotten at it."""
    if known.updated_at < booted_at:
        return known.updated_at
    # A wish that came and went since, or an order of ours, is no word of the station.
    accepted = [row.at for row in tx.reservations.history(known.id) if row.fact == Accepted.__name__]
    return max(accepted, default=known.created_at)
