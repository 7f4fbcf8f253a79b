"""A node without sockets: the real use cases on a real database, stations that answer by script, time that is moved."""

import asyncio
from dataclasses import dataclass, field, replace

from station_script import AWAY, ONLINE, THERE, Stations
from usecase_fakes import START, TAG_A, CountedIds, MovedClock, seconds

from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import open_storage
from evhold.domain.authorization import Token
from evhold.domain.events import ReservationChanged
from evhold.domain.station import Registration, Station
from evhold.domain.transaction import Event
from evhold.domain.values import By, Heard, Terms
from evhold.usecases import b01_boot, e01_transaction, g01_connector_status, h01_reserve, h02_cancel, h03_use, h04_end
from evhold.usecases.late import late_answer
from evhold.usecases.ports import Connected, Rules
from evhold.usecases.reactions import Reactions, World


class TimedClock(MovedClock):
    """A moved clock that calls at the time."""

    def __init__(self):
        super().__init__()
        self.timers = []

    def call_at(self, at, call):
        timer = Timer(self, at, call)
        self.timers.append(timer)
        return timer

    def next_due(self, until):
        """The soonest call up to then, taken out."""
        due = sorted((one for one in self.timers if one.at <= until), key=lambda one: one.at)
        if due:
            self.timers.remove(due[0])
        return due[0] if due else None


@dataclass(eq=False)
class Timer:
    """A call in the future."""

    clock: TimedClock
    at: float
    call: object

    def cancel(self):
        if self in self.clock.timers:
            self.clock.timers.remove(self)


class TaskOrders:
    """Work as tasks; what fails is kept for the test to see."""

    def __init__(self):
        self.tasks = set()

    def start(self, work, *, name):
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        return task

    def pending(self):
        """Those that still run; a failure is raised here."""
        for task in [one for one in self.tasks if one.done()]:
            self.tasks.discard(task)
            task.result()
        return set(self.tasks)


@dataclass
class Stage:
    """Everything of one node, and what a test does to it."""

    rules: Rules = field(default_factory=lambda: Rules(call_timeout=seconds(30)))

    def __post_init__(self):
        self.clock, self.ids, self.stations, self.orders = TimedClock(), CountedIds(), Stations(), TaskOrders()
        self.storage = open_storage("sqlite://", clock=self.clock, draw=lambda below: 0)
        self.recorder = SqlRecorder(self.storage, now=self.clock.now)
        self.log = EventLog(self.storage)
        self.position = 0
        self.events = []
        self.ghosts = []
        self.capabilities_read = []
        self.sweeper = h04_end.Sweeper(storage=self.storage, clock=self.clock, orders=self.orders, rules=self.rules)
        self.reactions = self.new_reactions()

    def new_reactions(self, *, storage=None):
        """Reactions that remember nothing, as after a restart."""
        return Reactions(
            World(
                storage=storage or self.storage,
                stations=self.stations,
                requests=self.stations,
                clock=self.clock,
                ids=self.ids,
                orders=self.orders,
                rules=self.rules,
                read_capabilities=self._read_capabilities,
                expect=self.sweeper.expect,
                tell_ghost=self.ghosts.append,
            )
        )

    async def _read_capabilities(self, station_id):
        self.capabilities_read.append(station_id)

    async def close(self):
        for task in self.orders.tasks:
            task.cancel()
        await asyncio.gather(*self.orders.tasks, return_exceptions=True)
        await self.storage.close()

    # Time

    async def settle(self):
        """Nothing is under way any more but what waits for a station; all that was told was followed."""
        while True:
            while pending := self.orders.pending() - self.stations.blocked:
                self.stations.changed.clear()
                woken = asyncio.ensure_future(self.stations.changed.wait())
                await asyncio.wait({*pending, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
            told = await self.log.after(self.position)
            if not told:
                return
            self.position = told[-1].seq
            for one in told:
                self.events.append(one.event)
                self.reactions.on_event(one.event)

    async def move(self, number):
        """Time passes; what was due meanwhile happened, each at its time."""
        until = self.clock.monotonic() + number
        await self.settle()
        while (timer := self.clock.next_due(until)) is not None:
            self.clock.move(max(timer.at - self.clock.monotonic(), 0.0))
            timer.call()
            await self.settle()
        self.clock.move(until - self.clock.monotonic())

    # What the API does

    async def place(self, *, evse_id=1, expiry=900, by=By.DRIVER, force=False, request=None, station="CS1", **terms):
        """H01, the first half."""
        wanted = Terms(**{"id_token": TAG_A, "expiry": self.after(expiry), "evse_id": evse_id, **terms})
        order = h01_reserve.ReserveOrder(station_id=station, terms=wanted, by=by, force=force, request=request)
        return await h01_reserve.place(
            order, storage=self.storage, stations=self.stations, clock=self.clock, ids=self.ids, rules=self.rules
        )

    def ask(self, placed):
        """H01, the second half."""
        return h01_reserve.ask(placed, storage=self.storage, stations=self.stations, clock=self.clock)

    async def reserve(self, **given):
        """H01 from end to end."""
        known = await self.ask(await self.place(**given))
        await self.settle()
        return known

    async def reserving(self, **given):
        """A ReserveNow that waits for its answer."""
        self.stations.answers("reserve", Stations.HOLD)
        placed = await self.place(**given)
        self.orders.start(self.ask(placed), name="reserve")
        await self.settle()
        return placed.reservation

    async def propose(self, known, *, if_match=None, **changes):
        """H01.FR.02, the first half."""
        patch = h01_reserve.TermsPatch(**changes)
        order = h01_reserve.ReplaceOrder(reservation_id=known.id, changes=patch, by=By.DRIVER, if_match=if_match)
        return await h01_reserve.propose(
            order, storage=self.storage, stations=self.stations, clock=self.clock, ids=self.ids
        )

    def ask_replacement(self, proposed):
        """H01.FR.02, the second half."""
        return h01_reserve.ask_replacement(proposed, storage=self.storage, stations=self.stations, clock=self.clock)

    async def replaced(self, known, **changes):
        """H01.FR.02 from end to end."""
        result = await self.ask_replacement(await self.propose(known, **changes))
        await self.settle()
        return result

    async def wish(self, known, *, by=By.DRIVER, if_match=None):
        """H02, the first half."""
        order = h02_cancel.CancelOrder(reservation_id=known.id, by=by, if_match=if_match)
        return await h02_cancel.wish(
            order, storage=self.storage, stations=self.stations, clock=self.clock, ids=self.ids
        )

    async def cancel(self, known, **given):
        """H02 from end to end, and what follows."""
        result = await self.cancel_only(known, **given)
        await self.settle()
        return result

    async def cancel_only(self, known, **given):
        """H02 from end to end."""
        wished = await self.wish(known, **given)
        return await h02_cancel.ask_cancel(wished, storage=self.storage, stations=self.stations, clock=self.clock)

    # What the station does

    async def add_station(self, station_id="CS1", **given):
        """It is provisioned, and its boot was accepted."""
        station = Station(id=station_id, **{"boot_status": Registration.ACCEPTED, "created_at": START, **given})
        await self.storage.transact(lambda tx: tx.stations.put(station))

    async def change_station(self, station_id="CS1", **changes):
        """What is known of it is another."""
        await self.storage.transact(lambda tx: tx.stations.put(replace(tx.stations.get(station_id), **changes)))

    async def add_token(self, id_token=TAG_A, **given):
        """It is registered."""
        await self.storage.transact(lambda tx: tx.tokens.put(Token(id_token=id_token, **given)))

    async def connect(self, station_id="CS1"):
        """Its socket is open and its context loaded."""
        connected = Connected(station_id=station_id, epoch=0)
        await b01_boot.open_connection(connected, version="2.0.1", storage=self.storage, clock=self.clock)
        self.stations.presences[station_id] = THERE if connected.registration == Registration.ACCEPTED else ONLINE
        self.reactions.opened(connected)
        await self.settle()
        return connected

    async def disconnect(self, connected):
        """Its socket is gone."""
        self.stations.presences[connected.station_id] = AWAY
        self.reactions.closed(connected)
        await self.settle()

    async def boot(self, connected, *, reason="PowerUp", firmware="1.0"):
        """It sent BootNotification, and was answered."""
        told = b01_boot.Boot(vendor_name="Acme", model="One", reason=reason, firmware_version=firmware)
        at = self.clock.now()
        answer = await b01_boot.boot(
            told, connected, heard_at=at, storage=self.storage, clock=self.clock, rules=self.rules
        )
        is_accepted = answer.status is Registration.ACCEPTED
        self.stations.presences[connected.station_id] = THERE if is_accepted else ONLINE
        if is_accepted:
            self.reactions.booted(connected, at=at, restarted=reason != b01_boot.TRIGGERED)
        await self.settle()

    async def status(self, connected, status, *, evse_id=1, connector_id=1):
        """StatusNotification."""
        self.reactions.heard(connected)
        stored = g01_connector_status.report(
            status,
            evse_id=evse_id,
            connector_id=connector_id,
            stamp=self.clock.now(),
            connected=connected,
            recorder=self.recorder,
            storage=self.storage,
            at=self.clock.now(),
        )
        if stored is not None:
            await stored
        await self.settle()

    async def transaction(self, connected, type_="Started", *, transaction_id="T1", seq_no=0, at=None, **given):
        """TransactionEvent."""
        self.reactions.heard(connected)
        event = Event(
            station_id=connected.station_id,
            transaction_id=transaction_id,
            type=type_,
            stamp=at or self.clock.now(),
            seq_no=seq_no,
            trigger="x",
            **given,
        )
        info = await e01_transaction.report(
            event,
            connected,
            at=self.clock.now(),
            heard=lambda: Heard(at=self.clock.now()),
            storage=self.storage,
            recorder=self.recorder,
            rules=self.rules,
            consume=h03_use.consume,
        )
        await self.settle()
        return info

    async def report(self, known, status="Expired", *, station="CS1"):
        """ReservationStatusUpdate."""
        heard = Heard(at=self.clock.now())
        number = known if isinstance(known, int) else known.id
        found = await h04_end.report(station, number, status, heard=heard, storage=self.storage)
        await self.settle()
        return found

    async def late(self, ask, answer, *, station="CS1"):
        """An answer that nobody waited for any more."""
        found = await late_answer(
            station, ask.message_id, fact_of=answer, frames=(), storage=self.storage, clock=self.clock
        )
        await self.settle()
        return found

    # What there is to see

    def after(self, number):
        """So many seconds from now."""
        return self.clock.now() + seconds(number)

    async def get(self, known):
        """The reservation as it is."""
        number = known if isinstance(known, int) else known.id
        return await self.storage.read(lambda tx: tx.reservations.get(number))

    async def phase(self, known):
        """Its phase."""
        return (await self.get(known)).phase

    async def rows(self, known):
        """The rows of the table that its history names, in order."""
        return [one.row for one in await self.history(known)]

    async def history(self, known):
        """All of it."""
        return await self.storage.read(lambda tx: tx.reservations.history(known.id))

    async def count(self):
        """How many reservations there are."""
        return sum((await self.storage.read(lambda tx: tx.reservations.count_by_state())).values())

    def told(self):
        """What was told outside of reservations; it is forgotten."""
        told = [one.name.removeprefix("reservation.") for one in self.events if isinstance(one, ReservationChanged)]
        self.events.clear()
        return told
