"""B05, B06: a station's capabilities are read, set and learned."""

from dataclasses import replace

import pytest
from usecase_fakes import seconds

from evhold.domain.access import Actor
from evhold.domain.errors import StationOffline, StationUnknown
from evhold.domain.station import Capabilities, Registration
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


async def switched(storage, device, clock, *, enabled=False):
    """What the station said to ReservationCtrlr.Enabled."""
    return await b05_set_variables.switch_reservations(
        "cs1", enabled=enabled, who=Actor("key 1"), storage=storage, variables=device, clock=clock
    )


@pytest.mark.parametrize("enabled", [True, False])
async def test_reservations_are_switched_at_the_station(storage, clock, enabled):
    """Asked under its own id, audited, and learned where it was accepted."""
    wanted = reservation_ctrlr("Enabled", "true" if enabled else "false")
    device = Device([wanted])

    assert await switched(storage, device, clock, enabled=enabled) == "Accepted"

    assert device.asked == [("CS1", (wanted,))]
    assert storage.now.stations.get("CS1").capabilities.enabled is enabled
    assert storage.tables.audit == [("key 1", "set variable", "CS1", f"ReservationCtrlr.Enabled={wanted.value}")]


@pytest.mark.parametrize("status", ["Rejected", "RebootRequired", "UnknownVariable", "NotSupportedAttributeType"])
async def test_a_switch_that_was_not_accepted_is_told_as_the_station_said(storage, clock, status):
    """What was known stays known, but for a variable that is not there."""
    before = await b06_get_variables.learn("CS1", [reservation_ctrlr("Enabled", "true")], storage=storage)

    assert await switched(storage, Device([reservation_ctrlr("Enabled", "false", status)]), clock) == status

    known = storage.now.stations.get("CS1").capabilities.enabled
    assert known is (None if status == "UnknownVariable" else before.capabilities.enabled)


async def test_a_switch_may_fail_as_any_call(storage, clock):
    """No answer, and an answer that names nothing."""
    for told in (NoAnswer(reason="timeout"), []):
        outcome = await switched(storage, Device(told), clock)
        assert outcome == (told or NoAnswer(reason="unreadable-answer"))


@pytest.mark.req("B03.FR.03")
async def test_nothing_is_switched_at_a_rejected_station(storage, clock):
    """It is not even asked; an unknown one raises."""
    device = Device([])
    storage.now.stations.put(replace(storage.now.stations.get("CS1"), boot_status=Registration.REJECTED))

    with pytest.raises(StationOffline):
        await switched(storage, device, clock)
    assert device.asked == []
    storage.now.stations.remove("CS1")
    with pytest.raises(StationUnknown):
        await switched(storage, device, clock)
