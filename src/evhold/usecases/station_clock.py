"""A station's clock, learned from the stamps of what it sends live; kept with its row when it moved."""

from dataclasses import replace
from datetime import datetime, timedelta

from evhold.domain import clock_offset
from evhold.domain.values import StationId
from evhold.usecases.ports import Connected, Storage
from evhold.usecases.stores import Tx


def station_now(tx: Tx, station_id: StationId, at: datetime) -> datetime:
    """The time by the station's clock, as far as it is known; ours where it is not."""
    station = tx.stations.find(station_id)
    return at if station is None else at + station.clock_offset


def learn(connected: Connected, sample: timedelta) -> timedelta | None:
    """The connection remembers this sample (a stamp minus its arrival); the offset that is worth storing, or None."""
    connected.clock_samples = clock_offset.with_sample(connected.clock_samples, sample)
    if clock_offset.bears_out(connected.clock_offset, sample):
        # As nearly all do.
        return None
    offset = clock_offset.estimate(connected.clock_samples)
    if offset is None:
        return None
    if clock_offset.moved(connected.clock_offset, offset):
        return offset
    if connected.clock_offset is None:
        connected.clock_offset = offset
    return None


async def store(connected: Connected, offset: timedelta, *, storage: Storage) -> None:
    """The offset is the station's, in its row and in the connection's memory."""

    def work(tx: Tx) -> None:
        station = tx.stations.find(connected.station_id)
        if station is not None:
            tx.stations.put(replace(station, clock_offset=offset))

    await storage.transact(work)
    connected.clock_offset = offset
