"""/reservations.csv: the list of reservations for a spreadsheet."""

import csv
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from io import StringIO
from typing import Final

from litestar.response import Stream

from evhold.domain.reservation import Reservation
from evhold.domain.values import IdToken
from evhold.usecases.stores import ReservationFilter
from evhold.web.calls import ReservationCalls
from evhold.web.dto import ReservationsWanted
from evhold.web.request import Req, caller_of, calls_of, query_of
from evhold.web.reservations import filter_of
from evhold.web.views import maybe_stamp, stamp

COLUMNS: Final = (
    *("id", "stationId", "evseId", "connectorType", "idToken", "idTokenType", "groupIdToken", "groupIdTokenType"),
    *("expiryDateTime", "status", "ocppStatus", "cause", "confirmed", "transactionId", "usedEvseId", "proven"),
    *("cancelRequestedAt", "createdAt", "updatedAt"),
)
_PART: Final = 500
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_HEADERS: Final = {
    "Content-Disposition": 'attachment; filename="reservations.csv"',
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


async def show(request: Req) -> Stream:
    """GET /reservations.csv."""
    wanted = replace(await filter_of(request, query_of(request, ReservationsWanted)), limit=_PART)
    visible, calls = caller_of(request).visible, calls_of(request).reservations
    # The first part before the answer begins: what is wrong with it can still be told.
    first = await calls.page(wanted, visible_to=visible)
    return Stream(_lines(first, wanted, visible, calls), media_type="text/csv", headers=_HEADERS)


async def _lines(
    part: tuple[list[Reservation], int | None],
    wanted: ReservationFilter,
    visible: tuple[IdToken, ...] | None,
    calls: ReservationCalls,
) -> AsyncIterator[bytes]:
    yield _text([COLUMNS])
    found, cursor = part
    yield _text(map(_row, found))
    while cursor is not None:
        found, cursor = await calls.page(replace(wanted, cursor=cursor), visible_to=visible)
        yield _text(map(_row, found))


def _text(rows: Iterable[Iterable[object]]) -> bytes:
    """Lines of RFC 4180."""
    text = StringIO(newline="")
    csv.writer(text).writerows([_safe(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _safe(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    shown = str(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _row(one: Reservation) -> tuple[object, ...]:
    terms, group = one.terms, one.terms.group_id_token
    return (
        *(one.id, one.station_id, terms.evse_id, terms.connector_type, terms.id_token.id_token, terms.id_token.type),
        *(group and group.id_token, group and group.type, stamp(terms.expiry), one.state.value),
        *(one.ocpp_status, one.cause, one.confirmed, one.transaction_id, one.used_evse_id, one.proven),
        *(maybe_stamp(one.cancel_requested_at), stamp(one.created_at), stamp(one.updated_at)),
    )
