"""Sockets that keep the order of what they carry, and lose what is on its way when they are cut."""

import random
from collections.abc import Callable
from typing import Protocol

from sim_loop import ProcessLoop, World

from evhold.gateway.session import Session


class StationEnd(Protocol):
    """What a socket does to its station."""

    def received(self, link: "Link", text: bytes) -> None: ...
    def closed(self, link: "Link") -> None: ...


class Weather:
    """How long frames take, now.

    Attributes:
        stalled_until: Frames that leave before it arrive after it.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.stalled_until = 0.0

    def delay(self) -> float:
        """Mostly milliseconds, at times a second."""
        rng = self.rng
        wait = rng.random() * (1.5 if rng.random() < 0.05 else 0.03)
        return wait + max(0.0, self.stalled_until - self.world.time)


class Link:
    """One socket, from the handshake until both ends know that it is gone. It is the peer of its session.

    Each end learns of a cut at its own time; until then what it sends is lost.
    """

    def __init__(
        self, world: World, *, station: StationEnd, session: Session, loop: ProcessLoop, weather: Weather
    ) -> None:
        self.world, self.session, self.weather = world, session, weather
        self.is_cut = False
        self.lost: list[bytes] = []
        self._station, self._loop = station, loop
        self._up_at = self._down_at = 0.0
        self._up_lost = self._down_lost = False
        self._station_knows = self._csms_knows = False

    # The session's end

    @property
    def remote(self) -> str:
        """As a session sees it."""
        return "192.0.2.1:1"

    def send_text(self, data: bytes) -> None:
        """One frame to the station is on its way."""
        if self.is_cut or self._csms_knows:
            return
        self._down_at = max(self._down_at, self.world.time + self.weather.delay())
        self.world.at(self._down_at, lambda: self._arrive_down(data))

    def close(self, code: int, *, reason: str) -> None:
        """The CSMS closes it: what is on its way to the station arrives before."""
        self._begin_cut(up_lost=True, down_lost=False)
        self._tell_station(self.weather.delay())
        self._tell_csms(self.weather.delay())

    def abort(self, reason: str) -> None:
        """It is gone at once."""
        self.cut(up_lost=True, down_lost=True)

    def buffered(self) -> int:
        """Never anything."""
        return 0

    # The station's end

    def send_up(self, data: bytes) -> None:
        """One frame to the CSMS is on its way."""
        if self.is_cut:
            self.lost.append(data)
            return
        self._up_at = max(self._up_at, self.world.time + self.weather.delay())
        self.world.at(self._up_at, lambda: self._arrive_up(data))

    def hang_up(self) -> None:
        """The station closes it."""
        self._station_knows = True
        self._begin_cut(up_lost=self.weather.rng.random() < 0.3, down_lost=True)
        self._tell_csms(self.weather.delay())

    # The cable

    def cut(self, *, up_lost: bool, down_lost: bool, silent_s: float = 0.0) -> None:
        """It carries nothing more; the CSMS may take ``silent_s`` to notice."""
        if self.is_cut:
            return
        self.world.note(f"cut {'up lost ' if up_lost else ''}{'down lost' if down_lost else ''}")
        self._begin_cut(up_lost=up_lost, down_lost=down_lost)
        self._tell_station(self.weather.delay())
        self._tell_csms(self.weather.delay() + silent_s)

    def csms_died(self) -> None:
        """Its process is gone: the system closes the socket; what was sent may still arrive."""
        self._csms_knows = True
        self._begin_cut(up_lost=True, down_lost=self.weather.rng.random() < 0.5)
        self._tell_station(self.weather.delay())

    def _begin_cut(self, *, up_lost: bool, down_lost: bool) -> None:
        self.is_cut = True
        self._up_lost = self._up_lost or up_lost
        self._down_lost = self._down_lost or down_lost

    def _tell_station(self, delay: float) -> None:
        when = self.world.time + delay if self._down_lost else max(self._down_at, self.world.time + delay)

        def tell() -> None:
            if not self._station_knows:
                self._station_knows = True
                self._station.closed(self)

        self.world.at(when, tell)

    def _tell_csms(self, delay: float) -> None:
        when = self.world.time + delay if self._up_lost else max(self._up_at, self.world.time + delay)

        def tell() -> None:
            if not self._csms_knows:
                self._csms_knows = True
                self.session.closed("gone")

        self._loop.call_at(when, tell)

    def _arrive_down(self, data: bytes) -> None:
        if not self._down_lost and not self._station_knows:
            self._station.received(self, data)

    def _arrive_up(self, data: bytes) -> None:
        if self._up_lost:
            self.lost.append(data)
        elif self._loop.alive and not self._csms_knows:
            self._call(lambda: self.session.text(data))
        else:
            self.lost.append(data)

    def _call(self, call: Callable[[], None]) -> None:
        self._loop.call_soon(call)
