"""What the API may call, bound to storage and stations by whoever builds the application; cut by subject."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from evhold.domain.access import ApiKey
from evhold.domain.authorization import Token
from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.station import Station
from evhold.domain.values import IdToken, StationId
from evhold.usecases.h01_reserve import Placed, Proposed, Replaced, ReplaceOrder, ReserveOrder
from evhold.usecases.h02_cancel import Canceled, CancelOrder, Wished
from evhold.usecases.operator_call import RawCall
from evhold.usecases.ports import CallAnswer, CallFailed, Clock, NeverSent, NoAnswer, Orders, Told
from evhold.usecases.provision import KeyMade, KeyOrder, PutStation, StationPut, TokenOrder
from evhold.usecases.queries import StationView
from evhold.usecases.stores import IdempotentRequest, Remembered, ReservationFilter


class Remember(Protocol):
    """Keep the answer of a request under an Idempotency-Key."""

    def __call__(self, request: IdempotentRequest, *, status: int, body: bytes) -> Awaitable[None]: ...


VisibleTo = Sequence[IdToken] | None


class ReservationOf(Protocol):
    """The reservation of this id; raises ReservationUnknown, also for one that ``visible_to`` does not include."""

    def __call__(self, reservation_id: int, *, visible_to: VisibleTo = None) -> Awaitable[Reservation]: ...


class HistoryOf(Protocol):
    """The history of this id, oldest first; raises ReservationUnknown likewise."""

    def __call__(self, reservation_id: int, *, visible_to: VisibleTo = None) -> Awaitable[list[Transition]]: ...


class ReservationPage(Protocol):
    """The reservations that fit, newest first, and the cursor of the next page."""

    def __call__(
        self, wanted: ReservationFilter, *, visible_to: VisibleTo = None
    ) -> Awaitable[tuple[list[Reservation], int | None]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCalls:
    """H01 and H02, and the read side of reservations. ``forget``: the request made nothing, a repeat runs anew."""

    place: Callable[[ReserveOrder], Awaitable[Placed | Remembered]]
    ask: Callable[[Placed], Coroutine[Any, Any, Reservation]]
    remember: Remember
    forget: Callable[[IdempotentRequest], Awaitable[None]]
    propose: Callable[[ReplaceOrder], Awaitable[Proposed]]
    ask_replacement: Callable[[Proposed], Coroutine[Any, Any, Replaced]]
    wish: Callable[[CancelOrder], Awaitable[Wished]]
    ask_cancel: Callable[[Wished], Coroutine[Any, Any, Canceled]]
    get: ReservationOf
    page: ReservationPage
    history: HistoryOf


class LoggedFrame(Protocol):
    """One recent frame of a station, masked."""

    @property
    def number(self) -> int: ...
    @property
    def direction(self) -> Literal["in", "out"]: ...
    @property
    def at(self) -> datetime: ...
    @property
    def frame(self) -> str: ...


class Messages(Protocol):
    """The newest frames of a station, newest first; ``before`` is the number of the last one seen."""

    def __call__(self, station_id: str, *, limit: int, before: int | None) -> Iterable[LoggedFrame]: ...


class StationPage(Protocol):
    """The stations after this id, in the order of their ids."""

    def __call__(self, *, limit: int | None = None, after: str | None = None) -> Awaitable[list[StationView]]: ...


class Provision(Protocol):
    """Provision a station."""

    def __call__(self, order: PutStation, *, who: str) -> Awaitable[StationPut]: ...


class RemoveStation(Protocol):
    """The station is known no more; raises StationUnknown."""

    def __call__(self, station_id: str, *, who: str) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StationCalls:
    """Charging Stations; those that name one raise StationUnknown."""

    page: StationPage
    get: Callable[[str], Awaitable[StationView]]
    put: Provision
    remove: RemoveStation
    read_capabilities: Callable[[StationId], Awaitable[Station | CallFailed | NoAnswer | NeverSent]]
    messages: Messages
    call: Callable[[RawCall], Awaitable[CallAnswer]]


class TokenPage(Protocol):
    """The tokens after this key (``IdToken.key``), in the order of their keys."""

    def __call__(self, *, limit: int | None = None, after: str | None = None) -> Awaitable[list[Token]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCalls:
    """Registered IdTokens. ``put`` says whether it is new; ``get`` and ``remove`` raise TokenUnknown."""

    page: TokenPage
    get: Callable[[IdToken], Awaitable[Token]]
    put: Callable[[TokenOrder], Awaitable[tuple[Token, bool]]]
    remove: Callable[[IdToken], Awaitable[None]]


class CreateKey(Protocol):
    """Make an API key; its secret is known this once."""

    def __call__(self, order: KeyOrder, *, who: str) -> Awaitable[KeyMade]: ...


class RevokeKey(Protocol):
    """The key is valid no more; raises KeyUnknown."""

    def __call__(self, key_id: int, *, who: str) -> Awaitable[ApiKey]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCalls:
    """API keys. ``authenticate``: the valid key with this secret, or None."""

    authenticate: Callable[[str], Awaitable[ApiKey | None]]
    create: CreateKey
    all: Callable[[], Awaitable[list[ApiKey]]]
    revoke: RevokeKey


class Follow(Protocol):
    """The committed events after a sequence number, for ever; None is a gap."""

    def __call__(self, *, after: int | None) -> AsyncIterator[Told | None]: ...


class Seconds(Protocol):
    """How many answers took how long; ``counts[i]`` is for at most ``bounds[i]`` seconds, the last for more."""

    @property
    def counts(self) -> list[int]: ...
    @property
    def total_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What /metrics shows. Each is read when it is scraped, none is kept up for it.

    Args:
        connected: Stations with an open socket.
        calls: Counts by (``in`` or ``out``, action, result).
        seconds_to_answer: By action, of our CALLs.
        bounds_s: The upper bounds of the buckets of ``seconds_to_answer``.
        frames: Counts by ``in`` and ``out``.
        reservations: By state, from the database.
        sweep_lag_s: How far the expiry sweep is behind, in seconds; 0 when nothing is overdue.
    """

    connected: Callable[[], int]
    calls: Callable[[], Mapping[tuple[str, str, str], int]]
    seconds_to_answer: Callable[[], Mapping[str, Seconds]]
    bounds_s: tuple[float, ...]
    frames: Callable[[], Mapping[str, int]]
    reservations: Callable[[], Awaitable[Mapping[State, int]]]
    sweep_lag_s: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Everything. ``trouble`` says in words why the node is not ready; None when it is."""

    reservations: ReservationCalls
    stations: StationCalls
    tokens: TokenCalls
    keys: KeyCalls
    follow: Follow
    orders: Orders
    clock: Clock
    figures: Figures
    trouble: Callable[[], str | None]
    version: str
