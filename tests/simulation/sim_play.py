"""One seeded run: what drivers, cars, stations, cables and the machine do in a storm; then everything heals."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from sim_callers import GROUP, KEY_ID, TOKENS, Callers
from sim_excuses import wrong_end
from sim_loop import World
from sim_network import Weather
from sim_options import draw_options
from sim_site import Site
from sim_station import SimStation
from sim_storage import fresh_database
from sqlalchemy import Engine

from evhold.adapters.sql.tx import SqlTx
from evhold.domain.access import ApiKey, Role
from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.events import ReservationChanged
from evhold.domain.values import IdToken, StationId
from evhold.usecases.ports import Told

#: How long a storm lasts, in seconds: drawn.
STORMS_S: Final = (120.0, 240.0, 480.0)
CALM_S: Final = 1200.0
#: Of it, how long nodes look after each other as often as ever.
RECOVERY_S: Final = 150.0
#: Events that say that a station holds a reservation no more.
ENDED: Final = frozenset(f"reservation.{end}" for end in ("refused", "failed", "canceled", "removed", "expired"))


class Play:
    """A CSMS, one or two stations, and a seeded schedule of what happens to them.

    Args:
        seed: All chance of the run comes from it.
        nodes: How many there are of the CSMS.
        trace: Whether a readable trace is kept.
    """

    def __init__(self, seed: int, *, nodes: int = 1, trace: bool = False) -> None:
        self.rng = rng = random.Random(seed)
        self.world = World()
        if trace:
            self.world.trace = []
        self.engine: Engine = fresh_database(rng.randrange(1, 2**30))
        slow = rng.choice((0.0, 0.02, 0.2))
        self.site = Site(self.world, engine=self.engine, rng=rng, slow=slow, count=nodes)
        self.disk_fails = rng.random() < 0.25
        self.site.clock_steps = rng.random() < 0.2 and nodes == 1
        #: How much likelier faults are than in a common run.
        self.fierce = rng.choice((1, 1, 4))
        self.site.on_told = self._told
        self.callers = Callers(self.world, site=self.site, rng=rng)
        self.heard = self.callers.heard
        self.stations = [self._station(n) for n in range(1, rng.choice((2, 3)))]
        self.storm_s = rng.choice(STORMS_S)
        self.is_calm = False
        self._kill_at = -1
        self.world.on_step = self._maybe_kill
        with self.engine.begin() as connection:
            tx = SqlTx(connection, now=lambda: self.world.now)
            key = ApiKey(id=0, name="drivers", role=Role.OPERATOR, key_hash=b"", created_at=self.world.now)
            assert tx.keys.insert(key).id == KEY_ID
            for token in TOKENS:
                group = GROUP if token.startswith("AA") else None
                tx.tokens.put(Token(id_token=IdToken(token, "ISO14443"), status=TokenStatus.ACCEPTED, group=group))

    def _station(self, number: int) -> SimStation:
        weather = Weather(self.world, self.rng)
        options = draw_options(f"CS{number}", self.rng)
        station = SimStation(
            self.world,
            options,
            connect=lambda me: self.site.connect(me.id, me, weather),
            weather=weather,
            rng=self.rng,
        )
        self.world.note(f"{options}")
        return station

    # The run

    def storm(self) -> None:
        """Everything that may happen happens."""
        self.site.start()
        for station in self.stations:
            station.come(self.rng.random())
        at = 5.0
        while at < self.storm_s:
            self.world.at(at, self._something)
            # Bursts and pauses.
            at += self.rng.choice((0.001, 0.05, 0.5, 5.0, 20.0, 60.0)) * self.rng.random() * 2
        self.world.run(until=self.storm_s)

    def calm(self) -> None:
        """All is reachable again, nobody does anything any more, and what was open has had its time."""
        self.is_calm = True
        self.world.note("calm")
        self.site.mend()
        for station in self.stations:
            station.weather.stalled_until = 0.0
            station.wanted = True
            station.come(0.1)
        self.world.run(until=self.storm_s + RECOVERY_S)
        self.site.calm_down()
        self.world.run(until=self.storm_s + CALM_S)

    def wait(self, seconds: float) -> None:
        """Nothing but time."""
        self.world.run(until=self.world.time + seconds)

    def end(self, latest: datetime) -> None:
        """Every car has left, every fault is mended, and every reservation has expired by every clock."""
        for station in self.stations:
            for evse in station.station.state.evses.values():
                station.act(lambda at, now, number=evse.id: at.unplug(number, now=now))  # type: ignore[misc]
        skew = max(abs(one.options.misbehaviour.clock_offset) for one in self.stations)
        until = latest + skew + timedelta(minutes=10) - self.world.now
        self.world.run(until=self.world.time + max(until.total_seconds(), 600.0))

    # What happens

    def _something(self) -> None:
        station = self.rng.choice(self.stations)
        weighted: dict[Callable[[SimStation], None], int] = {
            self._reserve: 12,
            self._cancel: 7,
            self._keep: 2,
            self._hasten: 2,
            self._replace: 6,
            self._present: 5,
            self._plug: 3,
            self._unplug: 5,
            self._break: 1,
            self._switch: 1,
            self._leave: self.fierce,
            self._cut: 2 * self.fierce,
            self._stall: 2 * self.fierce,
            self._reboot: self.fierce,
            self._kill: self.fierce,
            self._lock: self.disk_fails * self.fierce,
            self._step_clock: self.site.clock_steps * self.fierce,
            self._freeze: self.site.are_many * self.fierce,
            self._cut_off: self.site.are_many * self.fierce,
            self._strand: 3 * self.site.are_many,
        }
        act = self.rng.choices(list(weighted), list(weighted.values()))[0]
        act(station)
        if act in (self._reserve, self._cancel, self._replace) and self.rng.random() < 0.4:
            trouble = self.rng.choice(
                (self._kill, self._kill, self._cut, self._cut, self._stall, self._reboot, self._present, self._cancel)
            )
            self.world.after(self.rng.random() * self.rng.choice((0.02, 0.2, 2.0)), lambda: trouble(station))

    def _reserve(self, station: SimStation) -> None:
        terms, lasting = self.callers.reserve(station)
        if self.rng.random() < 0.6:
            token, after_s = terms.id_token.id_token, self.rng.random() * min(lasting * 1.1, 200)
            self._arrive(station, token, evse_id=terms.evse_id, after_s=after_s)

    def _arrive(self, station: SimStation, token: str, *, evse_id: int | None, after_s: float) -> None:
        """The driver comes, before or after the cable, charges, and leaves."""
        rng, at = self.rng, self.world.time + after_s
        place = evse_id or 1
        cable = at + rng.uniform(-10, 30)
        self.world.at(at, lambda: self._present(station, token=token, evse_id=evse_id))
        self.world.at(cable, lambda: self._plug(station, number=place))
        self.world.at(max(at, cable) + 150 * rng.random(), lambda: self._unplug(station, number=place))

    def _replace(self, station: SimStation) -> None:
        self.callers.replace()

    def _cancel(self, station: SimStation) -> None:
        self.callers.cancel()

    def _keep(self, station: SimStation) -> None:
        self.callers.keep()

    def _hasten(self, station: SimStation) -> None:
        self.callers.hasten()

    def _present(self, station: SimStation, *, token: str | None = None, evse_id: int | None = None) -> None:
        if token is None:
            evse_id = self.rng.choice((None, *range(1, len(station.options.layout()) + 1)))
            token = self.rng.choice(TOKENS)
        self.world.note(f"{station.id}: {token} at {evse_id}")
        station.present(evse_id, token)

    def _plug(self, station: SimStation, *, number: int | None = None) -> None:
        number = number or self._evse(station, "plug in")
        station.act(lambda at, now: at.plug_in(number, now=now))

    def _unplug(self, station: SimStation, *, number: int | None = None) -> None:
        number = number or self._evse(station, "unplug")
        station.act(lambda at, now: at.unplug(number, now=now))

    def _break(self, station: SimStation) -> None:
        number = self._evse(station, "fault")
        station.act(lambda at, now: at.fault(number, now=now))
        mend = lambda: station.act(lambda at, now: at.clear_fault(number, now=now))  # noqa: E731
        self.world.after(self.rng.choice((2.0, 120.0)) * self.rng.random(), mend)

    def _switch(self, station: SimStation) -> None:
        evse = station.station.state.evses[self._evse(station, "switch off")]
        station.act(lambda at, now: at.set_operative([evse], False, now=now))
        back = lambda: station.act(lambda at, now: at.set_operative([evse], True, now=now))  # noqa: E731
        self.world.after(self.rng.choice((2.0, 120.0)) * self.rng.random(), back)

    def _evse(self, station: SimStation, what: str) -> int:
        number = self.rng.randint(1, len(station.options.layout()))
        self.world.note(f"{station.id}: {what} at EVSE {number}")
        return number

    def _told(self, events: Sequence[Told]) -> None:
        """What is told to have ended is held by no station, at this very moment."""
        for told in events:
            match told.event:
                case ReservationChanged(name=name, reservation=known) if name in ENDED:
                    station = station_of(self, known.station_id)
                    if known.id in station.station.state.reservations:
                        excuse = wrong_end(
                            known, station, learned=self._learned(station), clock_steps=self.site.clock_steps
                        )
                        self.heard.wrong_ends.append((known, name, excuse))
                case _:
                    pass

    def _learned(self, station: SimStation) -> timedelta:
        """How wrong the CSMS thinks its clock is."""
        with self.engine.connect() as connection:
            known = SqlTx(connection, now=lambda: self.world.now).stations.find(station.id)
        return known.clock_offset if known is not None else timedelta()

    # Faults

    def _leave(self, station: SimStation) -> None:
        self.world.note(f"{station.id} is out of reach")
        station.leave()

        def back() -> None:
            station.wanted = True
            station.come(0.1)

        self.world.after(self.rng.choice((3.0, 70.0, 300.0)) * self.rng.random(), back)

    def _cut(self, station: SimStation) -> None:
        if station.link is not None and not self.is_calm:
            rng = self.rng
            silent = rng.choice((0.0, 0.0, 1.0, 40.0)) * rng.random()
            station.link.cut(up_lost=rng.random() < 0.5, down_lost=rng.random() < 0.5, silent_s=silent)

    def _stall(self, station: SimStation) -> None:
        seconds = self.rng.choice((2.0, 35.0, 70.0)) * self.rng.random()
        self.world.note(f"{station.id}: frames are held up for {seconds:.0f} s")
        station.weather.stalled_until = self.world.time + seconds

    def _reboot(self, station: SimStation) -> None:
        if not self.is_calm:
            station.reboot()

    def _lock(self, station: SimStation) -> None:
        """The database can't be written for a while, by one of the nodes."""
        seconds = self.rng.choice((0.2, 5.0, 40.0)) * self.rng.random()
        self.world.note(f"database locked for {seconds:.1f} s")
        self.site.one().disk.away_until = self.world.time + seconds

    def _step_clock(self, station: SimStation) -> None:
        """The CSMS's time of day is wrong from now on, or right again."""
        if not self.is_calm:
            wrong = self.rng.choice((0.0, 1.0, 40.0, 700.0)) * self.rng.uniform(-1, 1)
            self.world.note(f"the CSMS's clock is {wrong:.1f} s wrong")
            self.site.one().clock_error = timedelta(seconds=wrong)

    def _freeze(self, station: SimStation) -> None:
        """A node stops, and goes on."""
        if not self.is_calm:
            self.site.one().freeze(self.rng.choice((0.5, 5.0, 25.0)) * self.rng.random())

    def _strand(self, station: SimStation) -> None:
        """The node that has the station stops with words of it unread; it says others at another node, and then these are read."""
        node = self.site.node_of(station.link)
        if self.is_calm or node is None or station.link is None:
            return
        rng, link = self.rng, station.link
        node.freeze(5 + 15 * rng.random())
        number = self._evse(station, "plug in, unread,")
        station.act(lambda at, now: at.plug_in(number, now=now))
        self.world.after(0.1 + rng.random(), lambda: link.cut(up_lost=False, down_lost=True))
        self.world.after(2 + 4 * rng.random(), lambda: station.act(lambda at, now: at.unplug(number, now=now)))

    def _cut_off(self, station: SimStation) -> None:
        """A node hears nothing of the others."""
        if not self.is_calm:
            self.site.one().leave_mesh(self.rng.choice((1.0, 10.0, 80.0)) * self.rng.random())

    def _kill(self, station: SimStation) -> None:
        """At one of the next awaits, whichever it is."""
        if not self.is_calm:
            self._kill_at = self.world.steps + self.rng.randint(1, self.rng.choice((5, 30, 150)))

    def _maybe_kill(self) -> None:
        if 0 <= self._kill_at <= self.world.steps and not self.is_calm:
            self._kill_at = -1
            node = self.site.one()
            node.kill()
            self.world.after(self.rng.choice((0.1, 3.0, 40.0)) * self.rng.random(), node.start)


def station_of(play: Play, station_id: StationId) -> SimStation:
    """The simulated station of this id."""
    return next(one for one in play.stations if one.id == station_id)
