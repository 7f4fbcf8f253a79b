"""Who may stand at the door: sockets by address, handshakes at once, and how often one station may come again.

Nothing here is told to a peer or a log; each refusal is counted under the name of its limit.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

CONNECTIONS: Final = "connections-per-address"
HANDSHAKES: Final = "handshakes-at-once"
HANDSHAKE_TIME: Final = "handshake-timeout"
RECONNECTS: Final = "reconnects"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """Bounds of what may stand at the door.

    Args:
        connections_per_address: Open sockets of one address; none on loopback, where a proxy may stand.
        handshakes_at_once: Sockets that are open and have no answer to their handshake yet, TLS included. One address may
            have a quarter of them; none on loopback.
        handshake_timeout_s: For TLS, and then for the request: each has that long.
        reconnects: Handshakes of one station that are accepted between two ticks.
    """

    connections_per_address: int = 5_000
    handshakes_at_once: int = 1_000
    handshake_timeout_s: float = 10.0
    reconnects: int = 60


class Doors:
    """The account of all sockets of one listener.

    Args:
        refusals: Where they are counted, by the name of the limit.
        now: Seconds that only grow, as the timers of the loop have them.
    """

    def __init__(self, settings: DoorSettings, *, refusals: Counter[str], now: Callable[[], float]) -> None:
        self.now = now
        self._settings = settings
        self._refusals = refusals
        self._open: dict[str, int] = {}
        self._shaking: dict[str, int] = {}
        self._came: dict[str, int] = {}
        self.handshakes = 0

    def enter(self, address: str) -> "Visit | str":
        """One more socket is open, its handshake to come; or the name of the limit that refuses it."""
        settings = self._settings
        refusal = None
        if self.handshakes >= settings.handshakes_at_once:
            refusal = HANDSHAKES
        elif not is_loopback(address):
            if self._open.get(address, 0) >= settings.connections_per_address:
                refusal = CONNECTIONS
            elif self._shaking.get(address, 0) >= max(1, settings.handshakes_at_once // 4):
                refusal = HANDSHAKES
        if refusal is not None:
            self._refusals[refusal] += 1
            return refusal
        _more(self._open, address)
        _more(self._shaking, address)
        self.handshakes += 1
        return Visit(self, address)

    def may_come_again(self, station_id: str) -> bool:
        """Whether one more handshake of this station may be accepted before the next tick; if so, it was counted."""
        times = self._came.get(station_id, 0)
        if times >= self._settings.reconnects:
            self._refusals[RECONNECTS] += 1
            return False
        self._came[station_id] = times + 1
        return True

    def tick(self) -> None:
        """Stations may come anew."""
        self._came.clear()

    def answered(self, visit: "Visit") -> None:
        """The handshake got its answer."""
        self.handshakes -= 1
        _less(self._shaking, visit.address)

    def left(self, visit: "Visit") -> None:
        """The socket is gone."""
        if not visit.is_answered:
            # A probe that opens and closes is no attack; a timer may fire a little early.
            if self.now() - visit.since >= 0.9 * self._settings.handshake_timeout_s:
                self._refusals[HANDSHAKE_TIME] += 1
            self.answered(visit)
        _less(self._open, visit.address)


class Visit:
    """One socket at the door, from its first byte to its last; ``common_name`` is that of the peer's certificate, if it has one."""

    __slots__ = ("_doors", "_is_gone", "address", "common_name", "is_answered", "since")

    def __init__(self, doors: Doors, address: str) -> None:
        self._doors = doors
        self._is_gone = False
        self.address = address
        self.common_name: str | None = None
        self.since = doors.now()
        self.is_answered = False

    def answer(self) -> None:
        """Its handshake got an answer."""
        if not self.is_answered and not self._is_gone:
            self.is_answered = True
            self._doors.answered(self)

    def leave(self) -> None:
        """The socket is gone; a second time changes nothing."""
        if not self._is_gone:
            self._is_gone = True
            self._doors.left(self)


def is_loopback(address: str) -> bool:
    """Whether only this machine has it."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(known, "ipv4_mapped", None)
    return bool((mapped or known).is_loopback)


def _more(counts: dict[str, int], address: str) -> None:
    counts[address] = counts.get(address, 0) + 1


def _less(counts: dict[str, int], address: str) -> None:
    left = counts[address] - 1
    if left:
        counts[address] = left
    else:
        # An attacker with a network of IPv6 addresses fills no table.
        del counts[address]
