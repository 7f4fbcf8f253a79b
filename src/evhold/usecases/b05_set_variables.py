"""B05: variables of a station are set; what they say of its capabilities is learned."""

from collections.abc import Iterable, Sequence

from evhold.domain.station import Station
from evhold.domain.values import StationId
from evhold.domain.variables import Variable
from evhold.usecases import capabilities
from evhold.usecases.ports import CallFailed, NeverSent, NoAnswer, Storage, Variables


async def learn(station_id: StationId, results: Iterable[Variable], *, storage: Storage) -> Station:
    """The station's capabilities are as these accepted values say.

    Args:
        station_id: As provisioned.
        results: Each with the value that was set; those that the station did not accept change nothing.
        storage: One transaction.

    Raises:
        StationUnknown: It is not provisioned.
    """
    told = tuple(results)

    return await storage.transact(lambda tx: capabilities.learn(tx, station_id, told))


async def set_variables(
    station_id: StationId, wanted: Sequence[Variable], *, storage: Storage, variables: Variables
) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
    """The station was asked to set them, and what it accepted is learned.

    Raises:
        StationUnknown: It is not provisioned.
    """
    results = await variables.set(station_id, wanted)
    if isinstance(results, list):
        await learn(station_id, results, storage=storage)
    return results
