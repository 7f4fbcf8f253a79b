"""What use cases need of the world: storage, stations, clock, ids. Protocols only; adapters stand behind them.

Rules: a function given to ``Storage.transact`` is synchronous and short, may run more than once, and asks nobody. No
transaction is open while a station thinks.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeGuard, TypeVar

from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event
from evhold.domain.facts import Accepted, CancelAccepted, CancelRejected, Errored, NeverLeft, Refused, Silent
from evhold.domain.station import Presence, Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import (
    Ask,
    EvseId,
    Frame,
    IdToken,
    MessageId,
    ReservationId,
    StationId,
    TransactionId,
)
from evhold.domain.variables import Variable
from evhold.usecases.stores import Tx

T = TypeVar("T")
ReserveAnswer = Accepted | Refused | Errored | Silent | NeverLeft
CancelAnswer = CancelAccepted | CancelRejected | Errored | Silent | NeverLeft


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that use cases obey; durations as in the outward contract."""

    call_timeout: timedelta = timedelta(seconds=30)
    expiry_grace: timedelta = timedelta(seconds=30)
    expiring_before: timedelta = timedelta(minutes=5)
    restore_delay: timedelta = timedelta(seconds=60)
    accept_unknown_tokens: bool = False
    heartbeat_interval: timedelta = timedelta(seconds=300)


class Clock(Protocol):
    """Our clock: aware UTC, and seconds that only grow. ``call_at`` runs a plain function once ``monotonic`` has reached ``at``."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def call_at(self, at: float, call: Callable[[], None], /) -> "Timer": ...


class Timer(Protocol):
    """A call in the future."""

    def cancel(self) -> None: ...


class Ids(Protocol):
    """Unique ids and randomness."""

    def message_id(self) -> MessageId: ...
    def secret(self) -> str:
        """A new machine-made secret of at least 128 bits, URL-safe, no colon."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1)."""
        ...


class Orders(Protocol):
    """Work that outlives the request that began it; a failure is logged there and harms nobody else."""

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> Awaitable[T]:
        """Run it; the returned awaitable gives its result, and abandoning that does not cancel the work."""
        ...


# --- storage


class Storage(Protocol):
    """``transact``: run in one transaction, committed when it returns, rolled back when ``work`` raises. ``read``: a snapshot."""

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]: ...
    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]: ...


class Stored(Awaitable[None], Protocol):
    """The end of something that is on its way to the disk, such as a Future: awaited, or told by plain calls.

    Calls are made in the order in which they were asked for, after the commit; ``exception`` says what became of it.
    """

    def add_done_callback(self, call: Callable[[Any], None], /) -> None: ...
    def exception(self) -> BaseException | None: ...


def is_stored(end: object) -> TypeGuard[Stored]:
    """Whether this is one, and not anything else that can be awaited."""
    return hasattr(end, "add_done_callback")


class Recorder(Protocol):
    """The firehose: rows of many stations in one commit. Each ends when its row is durable; a failed one raises.

    ``epoch``: stored only if this connection of the station counts, among many nodes; else Overtaken is raised.
    """

    def connector(self, connector: Connector, event: ConnectorChanged, *, epoch: int | None = None) -> Stored: ...
    def transaction(self, transaction: Transaction, *, epoch: int | None = None) -> Stored: ...
    def station(self, station: Station, events: Iterable[Event]) -> Awaitable[None]:
        """Boot, capability and report results: the station's row whole (without credentials and epoch)."""
        ...


class StorageAway(Exception):
    """The database can't be written now; nothing of the transaction is stored."""


class SchemaTooNew(StorageAway):
    """The database is of a later version, and this one can't work on it any more.

    Args:
        revision: The first one that is not known here.
        history: ``post``: something was taken away; ``pre``: only its own version may take something away.
    """

    def __init__(self, revision: str, *, history: str = "post") -> None:
        super().__init__(
            f"the schema is of a later version of evhold ({history} revision {revision} is not known to this one): use that one"
        )


class OlderNodes(Exception):
    """Nodes of an older version are there, which need what would be taken away. ``nodes``: their names and versions."""

    def __init__(self, *, revision: str, nodes: Sequence[tuple[str, str]]) -> None:
        shown = ", ".join(f"{name} (version {version})" for name, version in nodes)
        super().__init__(f"post revision {revision} has to wait for nodes of an older version to end: {shown}")


class Overtaken(Exception):
    """Another connection of the station counts now, at another node perhaps: nothing is stored, and nothing may be sent."""


# --- stations


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """A CALLRESULT to a raw call: the payload's JSON text."""

    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed:
    """A CALLERROR."""

    code: str
    description: str = ""
    details: bytes = b"{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Sent, and nothing came back. ``reason``: ``timeout``, ``connection-lost``, ``unreadable-answer``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverSent:
    """Not sent. ``reason``: ``station-offline``, ``station-busy``, ``expired-in-queue``, ``withdrawn``."""

    reason: str


CallAnswer = CallResult | CallFailed | NoAnswer | NeverSent


class StationCommands(Protocol):
    """Orders to a connected station. They never raise for what the station does: every outcome is a value."""

    def presence(self, station_id: StationId) -> Presence: ...
    async def reserve_now(
        self, station_id: StationId, reservation_id: ReservationId, ask: Ask
    ) -> tuple[ReserveAnswer, tuple[Frame, ...]]:
        """ReserveNow with the ask's terms and message id; not sent after their expiry. The answer's ask carries the time of sending."""
        ...

    async def cancel_reservation(
        self, station_id: StationId, reservation_id: ReservationId, ask: Ask
    ) -> tuple[CancelAnswer, tuple[Frame, ...]]:
        """CancelReservation, before all that waits."""
        ...

    async def withdraw(self, station_id: StationId, message_id: MessageId) -> bool:
        """True: the call was still queued, and will never be sent; its caller gets NeverLeft("withdrawn")."""
        ...

    async def call(self, station_id: StationId, action: str, payload: bytes) -> CallAnswer:
        """Any action, its payload encoded already."""
        ...


class Requests(Protocol):
    """What the CSMS asks of a station on its own account. False: not sent, refused, or not answered; nothing is raised."""

    async def get_base_report(self, connected: "Connected", request_id: int) -> bool:
        """FullInventory (B07); its parts come as NotifyReport."""
        ...

    async def trigger_message(
        self, connected: "Connected", message: str, *, evse_id: EvseId | None = None, connector_id: int | None = None
    ) -> bool:
        """TriggerMessage (F06), for BootNotification or StatusNotification."""
        ...


class Variables(Protocol):
    """The variables of a connected station's device model, their Actual attributes."""

    async def get(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """GetVariables: each with the station's status and, where it gave one, the value."""
        ...

    async def set(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """SetVariables: each with the station's status, and the value that was asked for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart:
    """What a RequestStartTransaction names."""

    id_token: IdToken
    evse_id: EvseId | None = None
    group_id_token: IdToken | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityChange:
    """What a ChangeAvailability asks for; without an EVSE the whole station."""

    operative: bool
    evse_id: EvseId | None = None


class RawPayloads(Protocol):
    """What an operator's raw payload says, where that matters. Payloads were checked before."""

    def availability_change(self, payload: bytes) -> AvailabilityChange:
        """Of ChangeAvailability."""
        ...

    def remote_start(self, payload: bytes) -> RemoteStart:
        """Of RequestStartTransaction."""
        ...

    def with_group(self, payload: bytes, group: IdToken) -> bytes:
        """RequestStartTransaction with this groupIdToken put in."""
        ...

    def sets_password(self, payload: bytes) -> bool:
        """Whether a SetVariables sets the password of Basic auth."""
        ...

    def variables(self, action: str, request: bytes, answer: bytes) -> list[Variable]:
        """Of GetVariables' or SetVariables' answer (a set variable's value is the request's); empty for one that can't be read."""
        ...


@dataclass(slots=True, kw_only=True)
class Connected:
    """What is remembered of one connection of a station while its socket lives; the use cases keep it up to date.

    Args:
        station_id: As provisioned.
        epoch: Grows with every connection of the station.
        provisioned: False for a station that nobody knew and that was let in all the same.
        security_profile: By which the handshake was let in; 0 without any password.
        common_name: Of the station's certificate; None without one.
        password: Which one it proved while two were valid (A01); None while there is but one.
        offer: The salt of the new one of the two.
        registration: What its last BootNotification was answered: Accepted, Pending, Rejected; None when it never booted.
        statuses: Each connector as last stored: loaded at connect, set only after the commit.
        reported: Connectors that reported since the connection or the last boot (their next report is not their first).
        bound_transactions: Ids of running transactions that are bound to a reservation.
        transactions: Running and lately ended transactions as last stored, bounded.
        expected_reports: Request ids of reports that we asked for.
        triggered: Actions that we asked for by TriggerMessage.
        clock_offset: The station's clock minus ours, to some seconds; None while that is not known.
        clock_samples: The last few stamps minus their arrivals.
    """

    station_id: StationId
    epoch: int
    provisioned: bool = True
    security_profile: int = 0
    common_name: str | None = None
    password: Literal["old", "new"] | None = None
    offer: bytes | None = None
    registration: str | None = None
    statuses: dict[tuple[int, int], Connector] = field(default_factory=dict)
    reported: set[tuple[int, int]] = field(default_factory=set)
    bound_transactions: set[TransactionId] = field(default_factory=set)
    transactions: dict[TransactionId, Transaction] = field(default_factory=dict)
    expected_reports: set[int] = field(default_factory=set)
    triggered: set[str] = field(default_factory=set)
    clock_offset: timedelta | None = None
    clock_samples: tuple[timedelta, ...] = ()


# --- told events


@dataclass(frozen=True, slots=True)
class Told:
    """A committed event with its sequence number."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Numbered:
    """How many events were given a number just now, and the highest number that there is, 0 before the first.

    ``told``: those events, in order; empty where they are many.
    """

    given: int
    top: int
    told: Sequence[Told] = ()


class Stream(Protocol):
    """The committed events, in order. A reader that fell behind what is kept gets a gap: ``None``."""

    def follow(self, *, after: int | None) -> AsyncIterator[Told | None]:
        """From the one after ``after`` (None: from now on), for ever, until closed."""
        ...
