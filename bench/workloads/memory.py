"""Memory: what an idle, booted station adds to the resident memory of a server that has seen stations before."""

import time
from typing import Final

from bench.figures import Memory
from bench.stage import Stage

FIRST: Final = 50
SETTLING_S: Final = 1.0


def run(stage: Stage) -> Memory:
    """Few stations warm the server up, then many more connect and are idle."""
    stage.connect(FIRST)
    time.sleep(SETTLING_S)
    idle = stage.server.usage().rss_bytes
    stations = stage.size.idle_stations
    seconds = stage.connect(stations)
    time.sleep(SETTLING_S)
    return Memory(
        name="memory",
        work=f"{stations} idle stations",
        stations=stations,
        idle_bytes=idle,
        full_bytes=stage.server.usage().rss_bytes,
        connect_ms=seconds / stations * 1000,
    )
