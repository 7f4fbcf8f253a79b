"""Memory: what an idle, booted station adds to the resident memory of a server that has seen stations before."""

import resource
import time
from typing import Final

from bench.figures import Memory
from bench.stage import Stage

FIRST: Final = 50
SETTLING_S: Final = 1.0
#: What server and load process open besides the sockets of stations.
SPARE_FILES: Final = 64


def run(stage: Stage) -> Memory:
    """Few stations warm the server up, then many more connect and are idle."""
    stage.connect(FIRST)
    time.sleep(SETTLING_S)
    before = stage.server.usage()
    stations = min(stage.size.idle_stations, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - FIRST - SPARE_FILES)
    seconds = stage.connect(stations)
    time.sleep(SETTLING_S)
    after = stage.server.usage()
    return Memory(
        name="memory",
        work=f"{stations} idle stations",
        stations=stations,
        idle_bytes=before.rss_bytes,
        full_bytes=after.rss_bytes,
        server_ms=(after.cpu_s - before.cpu_s) / stations * 1000,
        connect_ms=seconds / stations * 1000,
    )
