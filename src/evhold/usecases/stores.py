"""What use cases need of one transaction: the stores, cut by subject, and ``Tx`` that holds them. Protocols only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from evhold.domain.access import Actor, ApiKey, AuditRow, AuditWanted
from evhold.domain.authorization import Token
from evhold.domain.connector import Connector
from evhold.domain.events import Event
from evhold.domain.reservation import Reservation, State, Transition
from evhold.domain.station import Credentials, Station
from evhold.domain.transaction import Transaction
from evhold.domain.transitions import Step
from evhold.domain.values import Ask, EvseId, IdToken, ReservationId, StationId, TransactionId
from evhold.domain.webhooks import Delivery, DeliveryState, Webhook
from evhold.usecases.periods import Figures, Timeline
from evhold.usecases.security_store import SecurityEvents
from evhold.usecases.traces import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFilter:
    """``start`` and ``end`` bound the creation time; ``before`` is the cursor: ids are opaque, newest first."""

    station_id: StationId | None = None
    states: tuple[State, ...] = ()
    id_tokens: tuple[IdToken, ...] = ()
    id_token_text: str | None = None
    evse_id: EvseId | None = None
    start: datetime | None = None
    end: datetime | None = None
    cursor: int | None = None
    limit: int = 100


class Reservations(Protocol):
    """Reservations, with their claims, asks, history and events: one Step is stored whole."""

    def next_id(self) -> ReservationId:
        """One never used before, 1..2^31-1, from one database sequence that starts at a random number."""
        ...

    def insert(self, step: Step) -> None:
        """Store a new one with its ask. Raises EvseAlreadyReserved."""
        ...

    def get(self, reservation_id: int) -> Reservation:
        """For change (locked where the database locks rows). Raises ReservationUnknown."""
        ...

    def find(self, reservation_id: int, station_id: StationId) -> Reservation | None:
        """As ``get``; None where there is none, or it is another station's."""
        ...

    def save(self, step: Step) -> None:
        """Row, claims, ask, history row and events of one step. Raises EvseAlreadyReserved (a replacement's EVSE)."""
        ...

    def find_ask(self, message_id: str) -> tuple[ReservationId, StationId, Ask, bool] | None:
        """The ask of this message id, and whether it was answered by the station already."""
        ...

    def at_station(self, station_id: StationId, *, states: Sequence[State]) -> list[Reservation]:
        """Those in these states, oldest first."""
        ...

    def due_at(self, station_id: StationId) -> list[Reservation]:
        """Those with an order to send, also later ones (``retry_at``)."""
        ...

    def with_open_ask(self, *, station_id: StationId | None = None) -> list[Reservation]: ...
    def bound_to(self, station_id: StationId, transaction_id: TransactionId) -> Reservation | None: ...
    def to_sweep(self, *, at: datetime, grace: timedelta, limit: int) -> list[Reservation]:
        """No ask open, and expiry + grace passed by their station's clock (row 44, and claims of row 43)."""
        ...

    def next_sweep(self, *, grace: timedelta) -> datetime | None:
        """When ``to_sweep`` will next find something, by our clock."""
        ...

    def to_remind(self, *, at: datetime, before: timedelta, limit: int) -> list[Reservation]:
        """Active ones whose expiry is so near by their station's clock, and not yet told of (``reminded_of``)."""
        ...

    def next_remind(self, *, before: timedelta) -> datetime | None:
        """When ``to_remind`` will next find something, by our clock."""
        ...

    def page(self, wanted: ReservationFilter) -> tuple[list[Reservation], int | None]:
        """Newest first, and the cursor of the next page."""
        ...

    def history(self, reservation_id: int) -> list[Transition]: ...
    def count_by_state(self) -> dict[State, int]: ...


class Stations(Protocol):
    """Charging Stations; ids are found without case and returned as provisioned. ``seen`` stores ``last_seen`` of many."""

    def find(self, station_id: str) -> Station | None: ...
    def get(self, station_id: str) -> Station:
        """Raises StationUnknown."""
        ...

    def put(self, station: Station, *, credentials: Credentials | None = None) -> bool:
        """Insert or update; True if it is new. Credentials None: as they are."""
        ...

    def remove(self, station_id: StationId) -> None:
        """Raises StationUnknown. Its reservations and history stay."""
        ...

    def page(self, *, limit: int | None = None, after: str | None = None) -> list[Station]: ...
    def credentials(self, station_ids: Collection[str] | None = None) -> list[Credentials]: ...
    def open_epoch(self, station_id: StationId) -> int:
        """The next connection number of this station, stored."""
        ...

    def seen(self, at: dict[StationId, datetime]) -> None: ...


class Connectors(Protocol):
    """The connectors of stations, as last reported."""

    def of(self, station_id: StationId) -> list[Connector]:
        """By EVSE and connector."""
        ...

    def of_all(self) -> dict[StationId, list[Connector]]: ...
    def put(self, connector: Connector) -> None:
        """Insert or update whole, without an event."""
        ...


class Transactions(Protocol):
    """Transactions, one row each; meter samples are not kept."""

    def find(self, station_id: StationId, transaction_id: TransactionId) -> Transaction | None: ...
    def put(self, transaction: Transaction) -> None: ...
    def open_at(self, station_id: StationId) -> list[Transaction]:
        """Not ended."""
        ...

    def since(self, station_id: StationId, at: datetime) -> bool:
        """Whether any TransactionEvent of this station was stored since (our clock)."""
        ...


class Tokens(Protocol):
    """Registered IdTokens. ``are_notified``: any of these (``IdToken.key``), or of all, has addresses of its driver."""

    def find(self, id_token: IdToken) -> Token | None: ...
    def are_notified(self, keys: Collection[str] | None = None) -> bool: ...
    def put(self, token: Token) -> bool:
        """True if it is new."""
        ...

    def remove(self, id_token: IdToken) -> None:
        """Raises TokenUnknown."""

    def page(self, *, limit: int | None = None, after: str | None = None) -> list[Token]: ...


class Keys(Protocol):
    """API keys, their secrets hashed. ``note_uses``: when they were last used, by id; a later use that is stored stays."""

    def insert(self, key: ApiKey) -> ApiKey:
        """Stored with a fresh id (the given one is ignored)."""
        ...

    def all(self) -> list[ApiKey]: ...
    def find(self, key_hash: bytes) -> ApiKey | None: ...
    def get(self, key_id: int) -> ApiKey | None: ...
    def save(self, key: ApiKey) -> None:
        """Raises KeyUnknown."""
        ...

    def note_uses(self, uses: Mapping[int, datetime]) -> None: ...


class Secrets(Protocol):
    """Secrets that the CSMS made for itself, by name."""

    def find(self, name: str) -> str | None: ...
    def settle(self, name: str, value: str) -> str:
        """The stored one; ``value``, stored now, where there was none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentRequest:
    """A POST under an Idempotency-Key: who, which key, the body's hash."""

    api_key_id: int
    key: str
    body_hash: bytes


class Idempotency(Protocol):
    """Idempotency-Key, kept 24 h (design decision 4)."""

    def begin(self, request: IdempotentRequest, *, at: datetime) -> "Remembered | None":
        """None: it is the first, and is stored now. Raises IdempotencyKeyReused (other body), RequestInProgress."""
        ...

    def bind(self, request: IdempotentRequest, reservation_id: ReservationId) -> None:
        """The request made this reservation."""
        ...

    def finish(self, request: IdempotentRequest, *, status: int, body: bytes) -> None:
        """Its answer, for repeats."""
        ...

    def forget(self, request: IdempotentRequest) -> None:
        """It made nothing (refused before a row was written): a repeat runs anew."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The first request's outcome; ``reservation_id`` None: it made none."""

    reservation_id: ReservationId | None
    status: int
    body: bytes


class Outbox(Protocol):
    """Events that are told once this transaction is committed."""

    def add(self, event: Event) -> None: ...


class Audit(Protocol):
    """Who did what; no token in it. Without ``who`` it is the CSMS's own doing, and not written."""

    def add(self, *, at: datetime, who: Actor | None, what: str, station_id: StationId | None, detail: str) -> None: ...
    def page(self, wanted: AuditWanted) -> list[AuditRow]: ...
    def prune(self, *, before: datetime, limit: int) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A station with a socket: at which node, by which of its connections. ``clock_offset`` is its clock minus ours."""

    station_id: StationId
    node: str
    epoch: int
    registered: bool
    clock_offset: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """The nodes by the database's clock: with a lease, and with one that has ended. ``buried``: of these, for good."""

    living: frozenset[str]
    lapsed: frozenset[str]
    buried: frozenset[str]


class Nodes(Protocol):
    """The nodes of a cluster and the stations that they own. Leases go by the database's clock."""

    def enter(self, node: str, *, lease: timedelta) -> None:
        """A new node, with a lease."""
        ...

    def check_schema(self) -> None: ...
    def renew(self, node: str, *, lease: timedelta) -> bool:
        """False: it is buried, or unknown; its name is never valid again."""
        ...

    def leave(self, node: str) -> None:
        """It is buried by its own will."""
        ...

    def forget(self, node: str) -> None:
        """All that was its own is settled."""
        ...

    def roll(self) -> Roll: ...
    def bury(self, node: str) -> bool:
        """It can't renew any more. False: it just did, or somebody else buried it."""
        ...

    def own(self, station_id: StationId, *, node: str, epoch: int) -> None:
        """This connection of the station is the one that counts. Raises Overtaken if the node is not among the living."""
        ...

    def disown(self, station_id: StationId, *, epoch: int) -> bool:
        """It counts no more; False: it did not."""
        ...

    def holds(self, connections: dict[StationId, int]) -> set[StationId]:
        """Those whose connection counts, and will until this transaction ends."""
        ...

    def orphans(self, *, limit: int) -> list[Owned]:
        """Stations of nodes that are buried or gone; they are nobody's now."""
        ...

    def owned(self, *, among: Collection[StationId] | None = None) -> list[Owned]:
        """Every station with a socket, or those among these."""
        ...


class Webhooks(Protocol):
    """Webhooks, and the messages that are to be delivered to them."""

    def insert(self, webhook: Webhook) -> Webhook:
        """Stored with a fresh id, told from the next event on."""
        ...

    def all(self) -> list[Webhook]: ...
    def get(self, webhook_id: int) -> Webhook:
        """Raises WebhookUnknown."""
        ...

    def save(self, webhook: Webhook) -> None:
        """Raises WebhookUnknown."""
        ...

    def remove(self, webhook_id: int) -> None:
        """With its deliveries. Raises WebhookUnknown."""
        ...

    def position(self) -> int | None:
        """The last event whose deliveries were put down; for change."""
        ...

    def reached(self) -> int: ...
    def last_event(self) -> int: ...
    def move(self, *, to: int) -> None: ...
    def queue(self, fresh: Sequence[Delivery]) -> None:
        """Put down in this order, each behind those of its subject that are not through."""
        ...

    def take(
        self, webhook_id: int, *, at: datetime, until: datetime, limit: int
    ) -> tuple[list[Delivery], datetime | None]:
        """Those that are due, claimed until then; and when the next one will be, as far as that is known."""
        ...

    def end(self, delivery: Delivery) -> bool:
        """What became of a claimed one; False: somebody else took it over."""
        ...

    def bury(self, webhook_id: int, *, at: datetime, why: str) -> int:
        """Everything that waits for this target is dead."""
        ...

    def revive(self, webhook_id: int, number: int, *, at: datetime) -> Delivery:
        """Raises DeliveryUnknown."""
        ...

    def page(
        self, webhook_id: int, *, state: DeliveryState | None, limit: int, before: int | None
    ) -> list[Delivery]: ...
    def counts(self) -> dict[tuple[int, DeliveryState], int]: ...
    def prune(self, *, before: datetime) -> int: ...


class Tx(Protocol):
    """One transaction's stores."""

    @property
    def reservations(self) -> Reservations: ...
    @property
    def stations(self) -> Stations: ...
    @property
    def connectors(self) -> Connectors: ...
    @property
    def transactions(self) -> Transactions: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def idempotency(self) -> Idempotency: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def security_events(self) -> SecurityEvents: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def figures(self) -> Figures: ...
    @property
    def timeline(self) -> Timeline: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def retention(self) -> Retention: ...
