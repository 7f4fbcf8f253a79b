"""Memory in place of the database, a clock that is moved, ids that count, and stations that answer as they were told."""

import asyncio
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta

from evhold.domain.access import Actor
from evhold.domain.connector import Connector
from evhold.domain.errors import EvseAlreadyReserved, KeyUnknown, ReservationUnknown, StationUnknown, TokenUnknown
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Presence
from evhold.domain.values import By, Heard, IdToken, ReservationId, Terms
from evhold.usecases.ports import CallResult, Connected

CLI = Actor("cli")
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
TAG_A = IdToken("TAG_A", "ISO14443")
TAG_B = IdToken("TAG_B", "ISO14443")
GROUP = IdToken("GROUP_1", "Central")


def seconds(number):
    """A duration."""
    return timedelta(seconds=number)


def heard(at=START):
    """What makes a Heard of the station."""
    return lambda: Heard(at=at, by=By.STATION)


def stored_later(store):
    """ports.Stored: what ``store`` makes of it, at the loop's next turn."""

    async def run():
        store()

    return asyncio.ensure_future(run())


@dataclass
class MovedClock:
    """Time stands still until it is moved."""

    at: datetime = START

    def now(self):
        return self.at

    def monotonic(self):
        return (self.at - START).total_seconds()

    def move(self, number):
        self.at += seconds(number)


@dataclass
class CountedIds:
    """Secrets and message ids that count."""

    made: int = 0

    def secret(self):
        self.made += 1
        return f"secret-number-{self.made:08d}-of-the-test"

    def message_id(self):
        self.made += 1
        return f"message-{self.made}"

    def jitter(self):
        return 0.5


class CountedReads:
    """A storage that says how often it was read."""

    def __init__(self, storage):
        self.storage = storage
        self.reads = 0

    async def read(self, work):
        self.reads += 1
        return await self.storage.read(work)

    async def transact(self, work):
        return await self.storage.transact(work)


@dataclass
class Tables:
    """Everything that a transaction can change."""

    stations: dict = field(default_factory=dict)
    credentials: dict = field(default_factory=dict)
    epochs: dict = field(default_factory=dict)
    connectors: dict = field(default_factory=dict)
    transactions: dict = field(default_factory=dict)
    tokens: dict = field(default_factory=dict)
    keys: dict = field(default_factory=dict)
    reservations: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    events: list = field(default_factory=list)
    audit: list = field(default_factory=list)
    security_events: list = field(default_factory=list)

    def copy(self):
        return Tables(**{one.name: getattr(self, one.name).copy() for one in fields(self)})


class Stations:
    def __init__(self, tables):
        self._tables = tables

    def find(self, station_id):
        found = self._tables.stations.get(station_id.casefold())
        return found and replace(found, epoch=self._tables.epochs.get(station_id.casefold(), 0))

    def get(self, station_id):
        found = self.find(station_id)
        if found is None:
            raise StationUnknown(station_id)
        return found

    def put(self, station, *, credentials=None):
        is_new = station.id.casefold() not in self._tables.stations
        self._tables.stations[station.id.casefold()] = station
        if credentials is not None:
            self._tables.credentials[station.id.casefold()] = credentials
        return is_new

    def remove(self, station_id):
        del self._tables.stations[self.get(station_id).id.casefold()]
        self._tables.credentials.pop(station_id.casefold(), None)

    def page(self, *, limit=None, after=None):
        ids = sorted(key for key in self._tables.stations if after is None or key > after.casefold())
        return [self.get(key) for key in ids[:limit]]

    def credentials(self, station_ids=None):
        every = self._tables.credentials.values()
        return [one for one in every if station_ids is None or one.station_id in station_ids]

    def open_epoch(self, station_id):
        key = station_id.casefold()
        self._tables.epochs[key] = self._tables.epochs.get(key, 0) + 1
        return self._tables.epochs[key]

    def seen(self, at):
        for station_id, stamp in at.items():
            if self.find(station_id):
                self.put(replace(self.get(station_id), last_seen=stamp))


class Connectors:
    def __init__(self, tables):
        self._tables = tables

    def of(self, station_id):
        return [one for _, one in sorted(self._tables.connectors.items()) if one.station_id == station_id]

    def of_all(self):
        return {station_id: self.of(station_id) for station_id, _, _ in self._tables.connectors}

    def put(self, connector):
        self._tables.connectors[connector.station_id, connector.evse_id, connector.connector_id] = connector


class Transactions:
    def __init__(self, tables):
        self._tables = tables

    def find(self, station_id, transaction_id):
        return self._tables.transactions.get((station_id, transaction_id))

    def put(self, transaction):
        self._tables.transactions[transaction.station_id, transaction.transaction_id] = transaction

    def open_at(self, station_id):
        every = self._tables.transactions.values()
        return [one for one in every if one.station_id == station_id and one.state != "Ended"]


class Tokens:
    def __init__(self, tables):
        self._tables = tables

    def find(self, id_token):
        return self._tables.tokens.get(id_token.key)

    def put(self, token):
        is_new = token.id_token.key not in self._tables.tokens
        self._tables.tokens[token.id_token.key] = token
        return is_new

    def remove(self, id_token):
        if self._tables.tokens.pop(id_token.key, None) is None:
            raise TokenUnknown(id_token)

    def page(self, *, limit=None, after=None):
        keys = sorted(key for key in self._tables.tokens if after is None or key > after)
        return [self._tables.tokens[key] for key in keys[:limit]]


class Keys:
    def __init__(self, tables):
        self._tables = tables

    def insert(self, key):
        stored = replace(key, id=len(self._tables.keys) + 1)
        self._tables.keys[stored.id] = stored
        return stored

    def all(self):
        return list(self._tables.keys.values())

    def get(self, key_id):
        return self._tables.keys.get(key_id)

    def find(self, key_hash):
        return next((one for one in self.all() if one.key_hash == key_hash), None)

    def note_uses(self, uses):
        for key_id, at in uses.items():
            self._tables.keys[key_id] = replace(self._tables.keys[key_id], last_used_at=at)

    def save(self, key):
        if key.id not in self._tables.keys:
            raise KeyUnknown(key.id)
        self._tables.keys[key.id] = key


class Reservations:
    def __init__(self, tables):
        self._tables = tables

    def next_id(self):
        return ReservationId(len(self._tables.reservations) + 1)

    def get(self, reservation_id):
        if reservation_id not in self._tables.reservations:
            raise ReservationUnknown(reservation_id)
        return self._tables.reservations[reservation_id]

    def find(self, reservation_id, station_id):
        found = self._tables.reservations.get(reservation_id)
        return found if found is not None and found.station_id == station_id else None

    def save(self, step):
        new = step.reservation
        for other in self._tables.reservations.values():
            shared = other.claims & new.claims if other.station_id == new.station_id and other.id != new.id else ()
            for evse_id in shared:
                raise EvseAlreadyReserved(new.station_id, evse_id)
        self._tables.reservations[new.id] = new
        self._tables.events.extend(step.events)
        if step.transition is not None:
            self._tables.history.append((new.id, step.transition))

    insert = save

    def at_station(self, station_id, *, states):
        every = self._tables.reservations.values()
        return [one for one in every if one.station_id == station_id and one.state in states]

    def bound_to(self, station_id, transaction_id):
        every = self._tables.reservations.values()
        bound = (one for one in every if (one.station_id, one.transaction_id) == (station_id, transaction_id))
        return next(bound, None)

    def page(self, wanted):
        every = sorted(self._tables.reservations.values(), key=lambda one: one.id, reverse=True)
        fit = [one for one in every if not wanted.id_tokens or one.terms.id_token in wanted.id_tokens]
        return fit[: wanted.limit], None

    def history(self, reservation_id):
        return [row for owner, row in self._tables.history if owner == reservation_id]

    def count_by_state(self):
        states = [one.state for one in self._tables.reservations.values()]
        return {state: states.count(state) for state in states}


class Outbox:
    def __init__(self, tables):
        self._tables = tables

    def add(self, event):
        self._tables.events.append(event)


class Audit:
    def __init__(self, tables):
        self._tables = tables

    def add(self, *, at, who, what, station_id, detail):
        if who is not None:
            self._tables.audit.append((who.name, what, station_id, detail))


class SecurityEvents:
    def __init__(self, tables):
        self._tables = tables

    def add(self, event):
        self._tables.security_events.append(event)


class MemoryTx:
    """One transaction's stores over the tables."""

    def __init__(self, tables):
        self.stations = Stations(tables)
        self.connectors = Connectors(tables)
        self.transactions = Transactions(tables)
        self.tokens = Tokens(tables)
        self.keys = Keys(tables)
        self.reservations = Reservations(tables)
        self.outbox = Outbox(tables)
        self.audit = Audit(tables)
        self.security_events = SecurityEvents(tables)


class MemoryStorage:
    """Storage and Recorder in memory. ``recorded`` lists what went the recorder's way; ``broken`` makes it fail."""

    def __init__(self):
        self.tables = Tables()
        self.recorded = []
        self.reads = 0
        self.writes = 0
        self.broken = False

    async def transact(self, work):
        before = self.tables.copy()
        try:
            result = work(MemoryTx(self.tables))
        except BaseException:
            self.tables = before
            raise
        self.writes += 1
        return result

    async def read(self, work):
        self.reads += 1
        return work(MemoryTx(self.tables.copy()))

    def connector(self, connector, event):
        def store():
            self._record(connector)
            self.tables.events.append(event)
            MemoryTx(self.tables).connectors.put(connector)

        return stored_later(store)

    def transaction(self, transaction):
        def store():
            self._record(transaction)
            MemoryTx(self.tables).transactions.put(transaction)

        return stored_later(store)

    def _record(self, row):
        if self.broken:
            raise OSError("disk full")
        self.recorded.append(row)

    @property
    def now(self):
        """The stores as they are."""
        return MemoryTx(self.tables)

    @property
    def told(self):
        """All events so far; they are forgotten."""
        told, self.tables.events = self.tables.events, []
        return told


@dataclass
class ScriptedStations:
    """Stations that answer every raw call alike, and remember it."""

    answer: object = field(default_factory=lambda: CallResult(payload=b"{}"))
    online: bool = True
    sent: list = field(default_factory=list)

    def presence(self, station_id):
        return Presence(online=self.online, registered=self.online)

    async def call(self, station_id, action, payload):
        self.sent.append((station_id, action, payload))
        return self.answer


def connected(**given):
    """A connection of CS1 that was opened and accepted."""
    return Connected(**{"station_id": "CS1", "epoch": 1, "registration": "Accepted", **given})


def connector(evse_id=1, connector_id=1, **given):
    """A connector of CS1."""
    return Connector(station_id="CS1", evse_id=evse_id, connector_id=connector_id, **given)


def reservation(number, *, evse_id=None, id_token=TAG_A, group=None, **given):
    """An Active reservation of CS1."""
    terms = Terms(id_token=id_token, expiry=START + seconds(900), evse_id=evse_id, group_id_token=group)
    plain = {"station_id": "CS1", "state": State.ACTIVE, "created_at": START, "updated_at": START}
    return Reservation(**{"id": number, "terms": terms, **plain, **given})
