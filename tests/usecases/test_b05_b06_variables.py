"""B05, B06: a station's capabilities are read, set and learned."""

import pytest
from usecase_fakes import seconds

from evhold.domain.errors import StationUnknown
from evhold.domain.station import Capabilities
from evhold.domain.variables import CAPABILITY_VARIABLES, Variable
from evhold.usecases import b05_set_variables, b06_get_variables
from evhold.usecases.ports import NoAnswer


class Device:
    """A station's variables: every question is answered with ``told``."""

    def __init__(self, told):
        self.told = told
        self.asked = []

    async def get(self, station_id, wanted):
        self.asked.append((station_id, tuple(wanted)))
        return self.told

    set = get


def reservation_ctrlr(variable, value=None, status="Accepted"):
    """A variable of ReservationCtrlr."""
    return Variable(component="ReservationCtrlr", variable=variable, value=value, status=status)


async def test_capabilities_are_read_and_stored(storage):
    """All four variables are asked for."""
    timeout = Variable(component="TxCtrlr", variable="EVConnectionTimeOut", value="60")
    device = Device([reservation_ctrlr("Available", "True"), reservation_ctrlr("Enabled", "0"), timeout])

    station = await b06_get_variables.read_capabilities("CS1", storage=storage, variables=device)

    assert device.asked == [("CS1", CAPABILITY_VARIABLES)]
    assert station.capabilities == Capabilities(available=True, enabled=False, ev_connection_timeout=seconds(60))
    assert storage.now.stations.get("CS1").capabilities == station.capabilities


async def test_a_station_that_does_not_answer_changes_nothing(storage):
    """The outcome is handed on."""
    outcome = await b06_get_variables.read_capabilities(
        "CS1", storage=storage, variables=Device(NoAnswer(reason="timeout"))
    )

    assert outcome == NoAnswer(reason="timeout")
    assert storage.writes == 0


async def test_a_set_variable_is_learned(storage):
    """What the station accepted counts; the outcome is handed on."""
    results = [reservation_ctrlr("Enabled", "false")]

    assert await b05_set_variables.set_variables("CS1", results, storage=storage, variables=Device(results)) == results

    assert storage.now.stations.get("CS1").capabilities.enabled is False


async def test_a_set_that_failed_changes_nothing(storage):
    """Nothing is stored."""
    failed = NoAnswer(reason="timeout")

    assert await b05_set_variables.set_variables("CS1", [], storage=storage, variables=Device(failed)) == failed
    assert storage.writes == 0


@pytest.mark.parametrize("learn", [b05_set_variables.learn, b06_get_variables.learn])
async def test_the_same_answer_again_changes_nothing(storage, learn):
    """The station is returned as it is; an unknown one raises."""
    first = await learn("CS1", [reservation_ctrlr("Available", "true")], storage=storage)

    assert await learn("CS1", iter([reservation_ctrlr("Available", "1")]), storage=storage) == first
    with pytest.raises(StationUnknown):
        await learn("GONE", [], storage=storage)
