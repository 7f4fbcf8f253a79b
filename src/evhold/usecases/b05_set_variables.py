"""B05: variables of a station are set; what they say of its capabilities is learned."""

from collections.abc import Iterable, Sequence

from evhold.domain.access import Actor
from evhold.domain.errors import StationOffline
from evhold.domain.station import Registration, Station
from evhold.domain.values import StationId
from evhold.domain.variables import Variable
from evhold.usecases import capabilities
from evhold.usecases.ports import CallFailed, Clock, NeverSent, NoAnswer, Storage, Variables
from evhold.usecases.stores import Tx


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


async def switch_reservations(
    station_id: str, *, enabled: bool, who: Actor, storage: Storage, variables: Variables, clock: Clock
) -> str | CallFailed | NoAnswer | NeverSent:
    """The station was asked to take reservations, or none; that is audited, and what it accepted is learned.

    Returns:
        The station's AttributeStatus, or how the call ended; a result without one counts as unreadable.

    Raises:
        StationUnknown: It is not provisioned.
        StationOffline: Its last boot was Rejected: nothing is sent to it.

    Requirements: B03.FR.03
    """
    wanted = Variable(component="ReservationCtrlr", variable="Enabled", value="true" if enabled else "false")

    def work(tx: Tx) -> StationId:
        station = tx.stations.get(station_id)
        # B03.FR.03: nothing goes to a Rejected station.
        if station.boot_status is Registration.REJECTED:
            raise StationOffline(station.id)
        detail = f"ReservationCtrlr.Enabled={wanted.value}"
        tx.audit.add(at=clock.now(), who=who, what="set variable", station_id=station.id, detail=detail)
        return station.id

    results = await set_variables(await storage.transact(work), [wanted], storage=storage, variables=variables)
    if not isinstance(results, list):
        return results
    return results[0].status if results else NoAnswer(reason="unreadable-answer")
