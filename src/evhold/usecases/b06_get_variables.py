"""B06: what a station can do for reservations is read from it (beyond-the-guide 2.8)."""

from collections.abc import Iterable

from evhold.domain.station import Station
from evhold.domain.values import StationId
from evhold.domain.variables import CAPABILITY_VARIABLES, Variable
from evhold.usecases import capabilities
from evhold.usecases.ports import CallFailed, NeverSent, NoAnswer, Storage, Variables


async def learn(station_id: StationId, results: Iterable[Variable], *, storage: Storage) -> Station:
    """The station's capabilities are as these results say; what it does not have is unknown.

    Raises:
        StationUnknown: It is not provisioned.
    """
    told = tuple(results)

    return await storage.transact(lambda tx: capabilities.learn(tx, station_id, told))


async def read_capabilities(
    station_id: StationId, *, storage: Storage, variables: Variables
) -> Station | CallFailed | NoAnswer | NeverSent:
    """The station told its ReservationCtrlr variables and its EVConnectionTimeOut, and they are stored.

    Returns:
        The station as it is known now, or how the call failed; then nothing is changed.

    Raises:
        StationUnknown: It is not provisioned.
    """
    results = await variables.get(station_id, CAPABILITY_VARIABLES)
    if not isinstance(results, list):
        return results
    return await learn(station_id, results, storage=storage)
