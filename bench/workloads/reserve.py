"""Reserve: POST -> ReserveNow -> Accepted -> Active -> 201, over real sockets."""

from bench.figures import Flow
from bench.load.orders import Reserve
from bench.server import ADMIN_KEY
from bench.stage import Stage


def run(stage: Stage) -> Flow:
    """So many clients reserve one EVSE after the other; the stations accept at once."""
    size = stage.size
    stage.connect(size.stations)
    return stage.flow(
        lambda seconds: Reserve(api=stage.server.api, key=ADMIN_KEY, at_once=size.at_once, seconds=seconds),
        name="reserve",
        work=f"reserve, {size.at_once} at a time, {size.stations} stations",
        unit="reservation",
    )
