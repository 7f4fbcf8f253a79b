"""Heartbeat: nothing is stored, so this is what a message costs at least."""

from bench.figures import Flow
from bench.load.orders import SendMessages
from bench.stage import Stage


def run(stage: Stage) -> Flow:
    """Every station sends its next Heartbeat when the last is answered."""
    stations = stage.size.stations
    stage.connect(stations)
    return stage.flow(
        lambda seconds: SendMessages(kind="Heartbeat", seconds=seconds),
        name="heartbeat",
        work=f"Heartbeat, {stations} stations",
        unit="message",
    )
