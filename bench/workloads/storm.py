"""Many stations: a storm of boots, first of unknown stations, then of known ones; then they are idle, and only beat."""

import resource
import time
from collections.abc import Callable
from typing import Final

from bench.contenders import BARE, EVHOLD
from bench.figures import Check, Fact, Result
from bench.load.orders import Connect, Leave, Pace
from bench.stage import Size, Stage, stage

FIRST: Final = 50
AT_ONCE: Final = 500
SETTLING_S: Final = 1.0
BEAT_S: Final = 60.0
IDLE_AFTER_S: Final = 10.0
#: What server and load process open besides the sockets of stations.
SPARE_FILES: Final = 200


def storm(size: Size, say: Callable[[str], None]) -> Result:
    """Boots, memory, and what it costs to be idle."""
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - FIRST - SPARE_FILES
    stations = min(size.idle_stations, room)
    with stage(size, EVHOLD, say=say) as played:
        played.connect(FIRST)
        time.sleep(SETTLING_S)
        before = played.server.usage()
        unknown_wait_s = played.connect(stations, connectors=2, at_once=AT_ONCE)
        time.sleep(SETTLING_S)
        after = played.server.usage()
        unknown_ms = (after.cpu_s - before.cpu_s) / stations * 1000
        each_kb = (after.rss_bytes - before.rss_bytes) / stations / 1000
        # What follows from the boots is done by then.
        time.sleep(IDLE_AFTER_S)
        idle = _idle_load(played, stations + FIRST, seconds=10.0 * size.seconds)
        known_ms, known_wait_s = _again(played, stations + FIRST)
    bare = _bare_load(size, say, stations + FIRST)
    work = f"{stations:,} stations"
    facts = [
        Fact(work=work, name="server before", value=before.rss_bytes / 1e6, unit="MB"),
        Fact(work=work, name="server after", value=after.rss_bytes / 1e6, unit="MB"),
        Fact(work=work, name=f"heartbeats at 60 s of {BARE.name}, of a core", value=bare * 100, unit="%"),
    ]
    checks = [
        Check(work=work, measure="CPU to boot one, unknown before", value=unknown_ms, unit="ms", goal=1.0),
        Check(work=work, measure="CPU to boot one, known", value=known_ms, unit="ms", goal=1.0),
        Check(work=work, measure="longest wait, unknown before", value=unknown_wait_s, unit="s", goal=30),
        Check(work=work, measure="longest wait, known", value=known_wait_s, unit="s", goal=30),
        Check(work=work, measure="memory each", value=each_kb, unit="kB", goal=25),
        Check(work=work, measure="heartbeats at 60 s and pings, of a core", value=idle * 100, unit="%", goal=0.5),
    ]
    return Result(facts=facts, checks=checks)


def _idle_load(played: Stage, stations: int, *, seconds: float) -> float:
    played.say(f"{stations} stations are idle for {seconds:g} s")
    before = played.server.usage().cpu_s
    played.generator.do(Pace(kind="Heartbeat", rate=stations / BEAT_S, seconds=seconds))
    return (played.server.usage().cpu_s - before) / seconds


def _bare_load(size: Size, say: Callable[[str], None], stations: int) -> float:
    """What the same heartbeats cost a server that does nothing else: each wakes it from its sleep."""
    with stage(size, BARE, say=say) as played:
        played.connect(stations, at_once=AT_ONCE)
        time.sleep(SETTLING_S)
        return _idle_load(played, stations, seconds=10.0 * size.seconds)


def _again(played: Stage, stations: int) -> tuple[float, float]:
    """All leave and come back: CPU in ms of one, and the longest wait in s."""
    played.say(f"{stations} stations come back")
    played.generator.do(Leave())
    time.sleep(SETTLING_S * 3)
    before = played.server.usage().cpu_s
    order = Connect(url=played.server.stations, count=stations, connectors=2, at_once=AT_ONCE, again=True)
    wait_s = played.generator.do(order).max_ms / 1000
    return (played.server.usage().cpu_s - before) / stations * 1000, wait_s


WORKLOADS: Final = {"storm": storm}
