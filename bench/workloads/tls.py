"""What TLS costs: idle stations by TLS against idle stations by plain sockets, each at a server of its own."""

import time
from collections.abc import Callable
from typing import Final

from bench.contenders import Contender
from bench.figures import Check, Fact, Result
from bench.load.orders import Connect, Leave
from bench.stage import Size, Stage, stage
from bench.workloads.storm import FIRST, SETTLING_S

#: Recent frames are kept of all stations together, and are no connection's.
_OPTIONS: Final = ("--frame-log", "1")
PLAIN: Final = Contender("evhold", options=_OPTIONS)
TLS: Final = Contender("evhold, TLS", tls=True, options=_OPTIONS)
#: Enough to measure one by, and few enough for two servers and their load on a small machine.
STATIONS: Final = 2_000
#: What is held more with every connection that came and went shows after so many times.
ROUNDS: Final = 3
#: By then the server has looked for what it can give back: it does every 30 s.
LOOKED_S: Final = 35.0


def tls(size: Size, say: Callable[[str], None]) -> Result:
    """Memory a connection, at first and after all came and went several times; and the CPU to come."""
    stations = min(STATIONS, size.idle_stations)
    plain, secured = (_measured(one, stations, size=size, say=say) for one in (PLAIN, TLS))
    work = f"{stations:,} idle stations by TLS"
    facts = [
        Fact(work=work, name="memory each, plain", value=plain[0], unit="kB"),
        Fact(work=work, name=f"the same after {ROUNDS} rounds", value=plain[1], unit="kB"),
        Fact(work=work, name="CPU to boot one, plain", value=plain[2], unit="ms"),
        Fact(work=work, name="CPU to boot one, TLS", value=secured[2], unit="ms"),
        Fact(work=work, name="memory each beyond a plain one", value=secured[0] - plain[0], unit="kB"),
        Fact(work=work, name=f"the same after {ROUNDS} rounds", value=secured[1] - plain[1], unit="kB"),
    ]
    checks = [
        Check(work=work, measure="memory each", value=secured[0], unit="kB", goal=45),
        Check(work=work, measure=f"memory each after {ROUNDS} rounds", value=secured[1], unit="kB", goal=45),
    ]
    return Result(facts=facts, checks=checks)


def _measured(
    contender: Contender, stations: int, *, size: Size, say: Callable[[str], None]
) -> tuple[float, float, float]:
    """Memory of a station in kB, at first and after the rounds; CPU in ms to come and boot."""
    with stage(size, contender, say=say) as played:
        played.connect(FIRST)
        time.sleep(SETTLING_S)
        before = played.server.usage()
        played.connect(stations, connectors=2)
        time.sleep(SETTLING_S)
        after = played.server.usage()
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}")
            _again(played, stations + FIRST)
        time.sleep(LOOKED_S)
        rss = played.server.usage().rss_bytes
    each = [(one - before.rss_bytes) / stations / 1000 for one in (after.rss_bytes, rss)]
    return each[0], each[1], (after.cpu_s - before.cpu_s) / stations * 1000


def _again(played: Stage, stations: int) -> None:
    played.generator.do(Leave())
    time.sleep(SETTLING_S * 3)
    order = Connect(url=played.server.stations, count=stations, connectors=2, again=True)
    played.generator.do(order)
    time.sleep(SETTLING_S)


WORKLOADS: Final = {"tls": tls}
