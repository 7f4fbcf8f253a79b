"""A Reservation as a row and back, exactly: columns for what is asked for, JSON for the rest."""

from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from typing import Any, Final, get_type_hints

import msgspec

from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.values import By, EvseId, Frame, IdToken, ReservationId, StatusInfo, Terms

#: Fields that are a column of the same name.
_SAME_NAME: Final = (
    "station_id",
    "created_at",
    "updated_at",
    "version",
    "ocpp_status",
    "cause",
    "confirmed",
    "transaction_id",
    "used_evse_id",
    "used_at",
    "cancel_requested_at",
    "cancel_sent_at",
    "retry_at",
)
_NONE: Final = timedelta()
_IN_COLUMNS: Final = frozenset({"id", "terms", "state", *_SAME_NAME})


def _rest() -> list[tuple[str, Any, Any]]:
    """The other fields, with types and defaults: whatever the domain adds is stored at once."""
    hints = get_type_hints(Reservation)
    others = [one for one in fields(Reservation) if one.name not in _IN_COLUMNS]
    assert all(one.default is not MISSING for one in others)
    return [(one.name, hints[one.name], one.default) for one in others]


_REST: Final = _rest()
_REST_NAMES: Final = tuple(name for name, _, _ in _REST)
More: Final = msgspec.defstruct("More", _REST, omit_defaults=True)
_more: Final = msgspec.json.Decoder(More)
_frames: Final = msgspec.json.Decoder(tuple[Frame, ...])
_status_info: Final = msgspec.json.Decoder(StatusInfo)
_terms: Final = msgspec.json.Decoder(Terms)
encode: Final = msgspec.json.Encoder().encode


def text_of(value: object | None) -> str | None:
    """JSON, or None."""
    return None if value is None else encode(value).decode()


def terms_of(text: str | None) -> Terms | None:
    """Terms from their JSON."""
    return None if text is None else _terms.decode(text)


def sweep_time(reservation: Reservation, *, clock_offset: timedelta = _NONE) -> datetime | None:
    """When it expires, by a clock that the station's is so much ahead of; None while the sweep has nothing to do with it (rows 43, 44)."""
    if reservation.ask is not None:
        return None
    expires = reservation.state in (State.ACTIVE, State.UNCONFIRMED)
    releases = reservation.state is State.USED and reservation.keeps_claim
    return reservation.expiry - clock_offset if expires or releases else None


def remind_time(reservation: Reservation, *, clock_offset: timedelta = _NONE) -> datetime | None:
    """When the terms in force expire, by such a clock; None where nobody is to be told that it is near, or everybody was."""
    is_due = reservation.state is State.ACTIVE and reservation.reminded_of != reservation.terms.expiry
    return reservation.terms.expiry - clock_offset if is_due else None


def row_of(reservation: Reservation) -> dict[str, Any]:
    """All columns but the row's own number; ``sweep_at`` and ``remind_at`` by the station's clock."""
    terms, due = reservation.terms, reservation.due
    group = terms.group_id_token
    row = {name: getattr(reservation, name) for name in _SAME_NAME}
    return row | {
        "reservation_id": reservation.id,
        "evse_id": terms.evse_id,
        "connector_type": terms.connector_type,
        "id_token": terms.id_token.id_token,
        "id_token_type": terms.id_token.type,
        "id_token_folded": terms.id_token.id_token.casefold(),
        "group_id_token": group.id_token if group else None,
        "group_id_token_type": group.type if group else None,
        "expiry_date_time": terms.expiry,
        "status": reservation.state.value,
        "due": due.value if due else None,
        "due_at": (reservation.retry_at or reservation.updated_at) if due else None,
        "held_until": reservation.expiry,
        "sweep_at": sweep_time(reservation),
        "remind_at": remind_time(reservation),
        "ask_message_id": reservation.ask.message_id if reservation.ask else None,
        "more": encode(More(**{name: getattr(reservation, name) for name in _REST_NAMES})).decode(),
    }


def reservation_of(row: Any) -> Reservation:
    """The very reservation that was stored."""
    more = _more.decode(row.more)
    group = row.group_id_token
    terms = Terms(
        id_token=IdToken(row.id_token, row.id_token_type),
        expiry=row.expiry_date_time,
        evse_id=None if row.evse_id is None else EvseId(row.evse_id),
        connector_type=row.connector_type,
        group_id_token=None if group is None else IdToken(group, row.group_id_token_type),
    )
    return Reservation(
        id=ReservationId(row.reservation_id),
        terms=terms,
        state=State(row.status),
        **{name: getattr(row, name) for name in _SAME_NAME},
        **{name: getattr(more, name) for name in _REST_NAMES},
    )


def history_row(reservation_id: int, transition: Transition) -> dict[str, Any]:
    """All columns of ``history`` but its number."""
    return {
        "reservation_id": reservation_id,
        "from_state": transition.from_state,
        "to_state": transition.to_state,
        "fact": transition.fact,
        "row_number": transition.row,
        "cause": transition.cause,
        "caused_by": transition.by,
        "at": transition.at,
        "frames": encode(transition.frames).decode(),
        "anomaly": transition.anomaly,
        "status_info": text_of(transition.status_info),
    }


def transition_of(row: Any) -> Transition:
    """The very transition that was stored."""
    return Transition(
        from_state=None if row.from_state is None else State(row.from_state),
        to_state=State(row.to_state),
        fact=row.fact,
        row=row.row_number,
        cause=row.cause,
        by=By(row.caused_by),
        at=row.at,
        frames=_frames.decode(row.frames),
        anomaly=row.anomaly,
        status_info=None if row.status_info is None else _status_info.decode(row.status_info),
    )
