"""What the API may call, bound to storage and stations by whoever builds the application; cut by subject."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Literal, Protocol, TypeVar

from evhold.domain.access import Actor, ApiKey, AuditRow, AuditWanted
from evhold.domain.authorization import Token
from evhold.domain.identity import Identity, Stranger
from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.security import SecurityEvent
from evhold.domain.station import Station
from evhold.domain.values import IdToken, StationId
from evhold.domain.webhooks import Delivery, DeliveryState, Outcome, Webhook
from evhold.usecases.a01_password import Changed, NotTaken
from evhold.usecases.figures import Figures as PeriodFigures
from evhold.usecases.h01_reserve import Placed, Proposed, Replaced, ReplaceOrder, ReserveOrder
from evhold.usecases.h02_cancel import Canceled, CancelOrder, Wished
from evhold.usecases.operator_call import RawCall
from evhold.usecases.periods import Period
from evhold.usecases.ports import CallAnswer, CallFailed, Clock, NeverSent, NoAnswer, Orders, Told
from evhold.usecases.provision import KeyMade, KeyOrder, PutStation, StationPut, TokenOrder
from evhold.usecases.queries import StationView
from evhold.usecases.retention import Forgotten
from evhold.usecases.sessions import EndedSessions
from evhold.usecases.signing import Signer
from evhold.usecases.stores import IdempotentRequest, Remembered, ReservationFilter
from evhold.usecases.timeline import Timeline
from evhold.usecases.webhooks import WebhookCount, WebhookOrder
from evhold.web.limits import Limits

Answer = TypeVar("Answer", covariant=True)


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
    keep: Callable[[CancelOrder], Awaitable[Reservation]]
    hasten: Callable[[CancelOrder], Awaitable[Reservation]]
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
    """The newest frames of a station, newest first, with numbers between ``after`` and ``before`` where these are given."""

    def __call__(
        self, station_id: str, *, limit: int, before: int | None, after: int | None = None
    ) -> Awaitable[Sequence[LoggedFrame]]: ...


class StationPage(Protocol):
    """The stations after this id, in the order of their ids."""

    def __call__(self, *, limit: int | None = None, after: str | None = None) -> Awaitable[list[StationView]]: ...


class Provision(Protocol):
    """Provision a station."""

    def __call__(self, order: PutStation, *, who: Actor) -> Awaitable[StationPut]: ...


class RemoveStation(Protocol):
    """The station is known no more; raises StationUnknown."""

    def __call__(self, station_id: str, *, who: Actor) -> Awaitable[None]: ...


class SwitchReservations(Protocol):
    """ReservationCtrlr.Enabled is set at the station; its AttributeStatus comes back, or how the call failed."""

    def __call__(
        self, station_id: str, *, enabled: bool, who: Actor
    ) -> Awaitable[str | CallFailed | NoAnswer | NeverSent]: ...


class ChangePassword(Protocol):
    """The station is asked to take a new password; None: one is made."""

    def __call__(
        self, station_id: str, password: str | None, *, who: Actor
    ) -> Awaitable[Changed | NotTaken | CallFailed | NeverSent]: ...


class SecurityEventPage(Protocol):
    """Newest first, of this station or of all, before this number."""

    def __call__(
        self, station_id: str | None, *, limit: int, before: int | None = None
    ) -> Awaitable[list[SecurityEvent]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StationCalls:
    """Charging Stations; those that name one raise StationUnknown.

    ``schemas``: the JSON Schema of the payload of each action that ``call`` takes, as JSON text.
    """

    page: StationPage
    get: Callable[[str], Awaitable[StationView]]
    put: Provision
    remove: RemoveStation
    read_capabilities: Callable[[StationId], Awaitable[Station | CallFailed | NoAnswer | NeverSent]]
    switch: SwitchReservations
    change_password: ChangePassword
    security_events: SecurityEventPage
    messages: Messages
    call: Callable[[RawCall], Awaitable[CallAnswer]]
    schemas: Callable[[], Mapping[str, bytes]]


class FiguresOf(Protocol):
    """The figures of a period by the days of this zone; raises InvalidOrder where there is too much to count."""

    def __call__(self, period: Period, *, zone: tzinfo) -> Awaitable[PeriodFigures]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCalls:
    """What is told of many stations and reservations at once."""

    figures: FiguresOf
    timeline: Callable[[Period], Awaitable[Timeline]]


class TokenPage(Protocol):
    """The tokens after this key (``IdToken.key``), in the order of their keys."""

    def __call__(self, *, limit: int | None = None, after: str | None = None) -> Awaitable[list[Token]]: ...


class PutToken(Protocol):
    """Register an IdToken; says whether it is new."""

    def __call__(self, order: TokenOrder, *, who: Actor) -> Awaitable[tuple[Token, bool]]: ...


class RemoveToken(Protocol):
    """The token is registered no more; raises TokenUnknown."""

    def __call__(self, id_token: IdToken, *, who: Actor) -> Awaitable[None]: ...


class ForgetToken(Protocol):
    """A token's traces bear a pseudonym; raises TokenInUse."""

    def __call__(self, id_token: IdToken, *, who: Actor) -> Awaitable[Forgotten]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCalls:
    """Registered IdTokens. ``put`` says whether it is new; ``get`` and ``remove`` raise TokenUnknown."""

    page: TokenPage
    get: Callable[[IdToken], Awaitable[Token]]
    put: PutToken
    remove: RemoveToken
    forget: ForgetToken


class CreateKey(Protocol):
    """Make an API key; its secret is known this once."""

    def __call__(self, order: KeyOrder, *, who: Actor) -> Awaitable[KeyMade]: ...


class RevokeKey(Protocol):
    """The key is valid no more; raises KeyUnknown."""

    def __call__(self, key_id: int, *, who: Actor) -> Awaitable[ApiKey]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCalls:
    """API keys. ``authenticate`` and ``by_id``: the valid key with this secret, or this id; or None."""

    authenticate: Callable[[str], Awaitable[ApiKey | None]]
    by_id: Callable[[int], Awaitable[ApiKey | None]]
    create: CreateKey
    all: Callable[[], Awaitable[list[ApiKey]]]
    revoke: RevokeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerCalls:
    """Tokens of an identity provider.

    Args:
        identify: Whom a token speaks for; raises BearerInvalid, IssuerAway.
        discovery: The address at which the issuer describes itself.
        close: Nobody is asked for keys any more.
    """

    identify: Callable[[str], Awaitable[Identity | Stranger]]
    discovery: str
    close: Callable[[], Awaitable[None]]


class Note(Protocol):
    """Write down what was done, where nothing else of it is stored."""

    def __call__(
        self, what: str, *, who: Actor, station_id: StationId | None = None, detail: str = ""
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCalls:
    """Who did what. ``page``: newest first, and the number before which the next page begins."""

    note: Note
    page: Callable[[AuditWanted], Awaitable[tuple[list[AuditRow], int | None]]]


class AddWebhook(Protocol):
    """Make a webhook; its secret is in it."""

    def __call__(self, order: WebhookOrder, *, who: Actor) -> Awaitable[Webhook]: ...


class OfWebhook(Protocol[Answer]):
    """Do something with the webhook of this id; raises WebhookUnknown."""

    def __call__(self, webhook_id: int, *, who: Actor) -> Awaitable[Answer]: ...


class DeliveriesOf(Protocol):
    """The deliveries of a webhook, newest first, with numbers below ``before``; raises WebhookUnknown."""

    def __call__(
        self, webhook_id: int, *, state: DeliveryState | None = None, limit: int = 100, before: int | None = None
    ) -> Awaitable[list[Delivery]]: ...


class Redeliver(Protocol):
    """Send a dead delivery once more; raises WebhookUnknown, DeliveryUnknown."""

    def __call__(self, webhook_id: int, number: int, *, who: Actor) -> Awaitable[Delivery]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCalls:
    """Webhooks and what they are sent."""

    all: Callable[[], Awaitable[list[WebhookCount]]]
    add: AddWebhook
    remove: OfWebhook[None]
    rotate: OfWebhook[Webhook]
    test: OfWebhook[Outcome]
    deliveries: DeliveriesOf
    redeliver: Redeliver


class Following(Protocol):
    """One reader's place among the committed events."""

    def batch(self, *, limit: int) -> Awaitable[list[Told | None]]:
        """The next in hand, at least one; None is a gap. Raises StopAsyncIteration at the end; may be given up, and called again."""
        ...

    def close(self) -> None:
        """It ends, also for whoever waits for it."""
        ...


class Follow(Protocol):
    """The committed events after a sequence number, or from now on, for ever."""

    def __call__(self, *, after: int | None) -> Following: ...


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
        handshakes: Counts by HTTP status.
        disconnects: Counts by reason.
        refusals: Counts by the name of the limit that was passed.
        reservations: By state, from the database.
        sweep_lag_s: How far the expiry sweep is behind, in seconds; 0 when nothing is overdue.
        kept: How many there are, and may be, by what is kept; what was not counted yet is left out.
    """

    connected: Callable[[], int]
    calls: Callable[[], Mapping[tuple[str, str, str], int]]
    seconds_to_answer: Callable[[], Mapping[str, Seconds]]
    bounds_s: tuple[float, ...]
    frames: Callable[[], Mapping[str, int]]
    handshakes: Callable[[], Mapping[str, int]]
    disconnects: Callable[[], Mapping[str, int]]
    refusals: Callable[[], Mapping[str, int]]
    reservations: Callable[[], Awaitable[Mapping[State, int]]]
    sweep_lag_s: Callable[[], float]
    #: How many nodes there are, and whether this one hears the others; None: there is but one.
    nodes: Callable[[], tuple[int, bool] | None] = lambda: None
    kept: Callable[[], Mapping[str, tuple[int, int]]] = dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Everything. ``trouble`` says in words why the node is not ready; None when it is.

    ``check_notify`` raises InvalidOrder for addresses that drivers can't be told at, and NotifyNotInstalled.
    """

    reservations: ReservationCalls
    stations: StationCalls
    site: SiteCalls
    tokens: TokenCalls
    keys: KeyCalls
    webhooks: WebhookCalls
    audit: AuditCalls
    check_notify: Callable[[Sequence[str]], None]
    follow: Follow
    orders: Orders
    clock: Clock
    figures: Figures
    trouble: Callable[[], str | None]
    signer: Signer
    sessions: EndedSessions
    limits: Limits
    version: str
    #: What an operator should know though the node is ready.
    notice: Callable[[], str | None] = lambda: None
    #: None: only our own keys are taken.
    bearers: BearerCalls | None = None
