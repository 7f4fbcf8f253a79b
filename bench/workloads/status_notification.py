"""StatusNotification that changes a status: on the disk with its event before it is answered."""

from bench.figures import Flow
from bench.load.orders import SendMessages
from bench.stage import Stage


def run(stage: Stage) -> Flow:
    """Every station tells another status when the last is answered."""
    stations = stage.size.stations
    stage.connect(stations)
    return stage.flow(
        lambda seconds: SendMessages(kind="StatusNotification", seconds=seconds),
        name="status-notification",
        work=f"StatusNotification, durable, {stations} stations",
        unit="message",
    )
