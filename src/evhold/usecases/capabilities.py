"""What a station says of its variables meets its row (beyond-the-guide 2.8)."""

from collections.abc import Iterable

from evhold.domain.station import Station
from evhold.domain.values import StationId
from evhold.domain.variables import Variable, with_variables
from evhold.usecases.stores import Tx


def learn(tx: Tx, station_id: StationId, told: Iterable[Variable]) -> Station:
    """The station's capabilities are as these answers say, stored in this transaction; the station as it is then.

    Raises:
        StationUnknown: It is not provisioned.
    """
    before = tx.stations.get(station_id)
    after = with_variables(before, told)
    if after != before:
        tx.stations.put(after)
    return after
