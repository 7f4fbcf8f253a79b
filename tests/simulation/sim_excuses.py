"""What the CSMS can't be blamed for, each by its name: what the station's own nature forbids, and what no message tells."""

from datetime import timedelta

from sim_station import SimStation, Truth

from evhold.domain.reservation import Due, Phase, Reservation

ACCEPTED = "Accepted"
SWEPT_BY_A_WRONG_CLOCK = "the CSMS's own clock was wrong when it swept"


def wrong_end(known: Reservation, station: SimStation, *, learned: timedelta, clock_steps: bool) -> str | None:
    """Why an end may be told of a reservation that the station holds at this moment."""
    is_swept = known.phase is Phase.EXPIRED_OPEN
    if is_swept and clock_steps:
        return SWEPT_BY_A_WRONG_CLOCK
    if is_swept and station.options.misbehaviour.clock_offset < learned - timedelta(seconds=2):
        return "its clock is slow, and nothing told by how much"
    if known.phase is Phase.EXPIRED_CLOSED and known.reserves_sent > 1 and not known.was_replaced:
        # Row 23: nobody knows whether the replacement came true, and the word of the old terms' end counts; row 22 cleans up.
        return "an Expired of its old terms came while nobody knew of the replacement's outcome"
    last = station.truth_of(known.id).reserves[-1:]
    if known.follow is Due.CLEAN_UP and last != [ACCEPTED]:
        # Row 25: it was asked for once more, to hear whether it is held.
        return "the station refused a ReserveNow for what it holds"
    return cannot_cancel(station)


def cannot_cancel(station: SimStation) -> str | None:
    """Why it keeps what the CSMS wants to be rid of."""
    faulty = station.options.misbehaviour
    if "CancelReservation" in faulty.call_error:
        return "the station refuses CancelReservation"
    if "CancelReservation" in faulty.never_answer:
        return "the station never answers CancelReservation"
    return None


def untold(known: Reservation, truth: Truth, station: SimStation, *, clock_steps: bool) -> str | None:
    """Why no message could tell that the station dropped it."""
    last = truth.ends[-1] if truth.ends else ""
    if last == "forgotten" and clock_steps:
        # What was stored before our clock went back seems to have come after the boot, and forbids to restore.
        return "forgotten, and the CSMS's own clock was wrong at its boot"
    if last == "used" and not truth.is_proven:
        return "used, and no transaction began"
    if last == "gone" and not truth.reported:
        return "its end was never reported, or the report was lost"
    if last == "forgotten" and known.terms.evse_id is None:
        return "forgotten, and of no EVSE that could be seen to be free"
    if last == "forgotten" and truth.disturbed:
        return "forgotten, and other things happened at the station after its boot"
    if last == "forgotten" and known.cancel_requested_at is not None:
        return cannot_cancel(station)
    if last == "canceled" and known.cancel_requested_at is not None:
        return cannot_cancel(station)
    return None


def unused(known: Reservation, truth: Truth) -> str | None:
    """Why a use that was told and proven is no Used in the end (rows 14 and 39)."""
    if "canceled" in truth.ends[truth.ends.index("used") :]:
        return "canceled again after its use"
    shown = {one.id_token.id_token for one in truth.told if one.id_token}
    if known.was_replaced and known.terms.id_token.id_token not in shown:
        return "used by the driver of its former terms, before it was made over to another"
    return None
