"""Block E: TransactionEvents; and what an operator's RequestStartTransaction (F01) names."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import UnsetType

from evhold.domain.authorization import TokenInfo
from evhold.domain.transaction import Event
from evhold.domain.values import EvseId, Heard, IdToken
from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import (
    RequestStartTransactionRequest,
    TransactionEventRequest,
    TransactionEventResponse,
    decode,
    encode,
)
from evhold.usecases.ports import Connected, RemoteStart, Stored, is_stored


class TransactionReport(Protocol):
    """`e01_transaction.report`, bound. ``heard`` is called only where a reservation may be concerned."""

    def __call__(
        self, event: Event, connected: Connected, /, *, at: datetime, heard: Callable[[], Heard]
    ) -> Stored | Awaitable[TokenInfo | None]: ...


def routes(*, report: TransactionReport) -> dict[str, Route[Any, Any]]:
    """Return the routes of block E."""

    def transaction_event(
        request: TransactionEventRequest, context: Context
    ) -> Stored | Awaitable[TransactionEventResponse | None]:
        event = convert.event(request, station_id=context.station_id)
        info = report(event, context, at=context.heard_at, heard=convert.heard(context))
        # An event without an idToken that is stored at once: there is nothing to tell.
        return info if is_stored(info) else _answer(info)

    return {"TransactionEvent": convert.route("TransactionEvent", transaction_event)}


async def _answer(info: Awaitable[TokenInfo | None]) -> TransactionEventResponse | None:
    # E01.FR.11, E01.FR.12, E02.FR.02, E03.FR.02: an event with an idToken is told about it, as Authorize is.
    told = await info
    return None if told is None else TransactionEventResponse(id_token_info=convert.id_token_info(told))


def remote_start(payload: bytes) -> RemoteStart:
    """Return what a RequestStartTransaction names; its payload was checked before."""
    request = decode(payload, RequestStartTransactionRequest)
    evse_id, group = request.evse_id, request.group_id_token
    return RemoteStart(
        id_token=convert.id_token(request.id_token),
        evse_id=None if isinstance(evse_id, UnsetType) or evse_id <= 0 else EvseId(evse_id),
        group_id_token=None if isinstance(group, UnsetType) else convert.id_token(group),
    )


def with_group(payload: bytes, group: IdToken) -> bytes:
    """Return the RequestStartTransaction with this groupIdToken. F01.FR.21, F01.FR.22: else a reserved EVSE rejects it."""
    request = decode(payload, RequestStartTransactionRequest)
    return encode(msgspec.structs.replace(request, group_id_token=convert.id_token_type(group)))
