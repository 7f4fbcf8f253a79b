"""A fact meets a stored reservation. Every use case that changes one goes through here."""

from datetime import datetime

from evhold.domain.errors import VersionConflict
from evhold.domain.facts import Fact, NeverLeft, Silent
from evhold.domain.reservation import Reservation
from evhold.domain.transitions import Step, advance
from evhold.domain.values import By, Frame, Heard, ReservationId
from evhold.usecases.ports import CancelAnswer, ReserveAnswer
from evhold.usecases.stores import Tx


def settle(tx: Tx, reservation_id: ReservationId, fact: Fact, heard: Heard) -> Step:
    """The step that this fact makes, stored in this transaction: row, claims, history, events.

    Raises:
        ReservationUnknown: No such id.
    """
    return store(tx, advance(tx.reservations.get(reservation_id), fact, heard))


def store(tx: Tx, step: Step) -> Step:
    """The step, stored in this transaction if it is more than nothing."""
    if step.changed or step.transition is not None:
        tx.reservations.save(step)
    return step


def heard_answer(answer: ReserveAnswer | CancelAnswer, frames: tuple[Frame, ...], *, at: datetime) -> Heard:
    """How the end of an ask reached us: silence, and what never left, are our own findings."""
    return Heard(at=at, by=By.CSMS if isinstance(answer, Silent | NeverLeft) else By.STATION, frames=frames)


def check_version(reservation: Reservation, if_match: int | None) -> None:
    """Return if nobody changed it since.

    Raises:
        VersionConflict: It has another version.
    """
    if if_match is not None and if_match != reservation.version:
        raise VersionConflict(reservation.id, reservation.version)
