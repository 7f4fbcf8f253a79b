"""The simulated station on a real socket, before a CSMS that this project did not write."""

import asyncio
import json
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from ocpp.exceptions import NotImplementedError as ActionUnknown
from ocpp.exceptions import NotSupportedError
from tiny_csms import tiny_csms

from evhold.simulator.client import SimulatedStation
from evhold.simulator.fleet import run_fleet
from evhold.simulator.options import Misbehaviour, StationOptions, World
from evhold.simulator.scenarios import SCENARIOS, run_scenario
from ocpp.v201 import call

RESERVED = {"id_token": "AABBCCDD", "type": "ISO14443"}
GROUP = {"id_token": "GROUP001", "type": "Central"}


def world() -> World:
    """Real time and ids."""
    return World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))


@pytest.fixture
async def csms():
    """A throwaway CSMS."""
    async with tiny_csms() as running:
        yield running


def station_of(csms, **options) -> SimulatedStation:
    """A station that is pointed at the CSMS."""
    return SimulatedStation(csms.url, StationOptions(**options), world=world())


def order(reservation_id=7, *, seconds=60.0, **more):
    """A ReserveNow."""
    expiry = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return call.ReserveNow(id=reservation_id, expiry_date_time=expiry, id_token=RESERVED, **more)


async def test_boots_and_reports_every_connector(csms):
    """After `online` the CSMS has heard BootNotification and one status for each connector, in this order."""
    async with station_of(csms, evses=2) as station:
        await station.online()
    assert [action for action, _ in csms.heard] == ["BootNotification", "StatusNotification", "StatusNotification"]


async def test_reserve_use_and_leave(csms):
    """H01 S2 and H03 S1: the reservation goes with the transaction."""
    async with station_of(csms) as station:
        await station.online()
        assert (await csms.call(order(evse_id=1))).status == "Accepted"
        await csms.until("StatusNotification", connector_status="Reserved")
        assert (await station.present(1, "AABBCCDD")).outcome == "Accepted"
        await station.plug_in(1)
        await station.unplug(1)
        event = await csms.until("TransactionEvent", event_type="Started")
        assert event["reservation_id"] == 7
        assert station.status(1) == "Available"
        assert (await station.wait_for("ReserveNow")).answer.status == "Accepted"


async def test_expiry_comes_by_itself(csms):
    """H04: Expired is told at its time without anybody asking."""
    async with station_of(csms) as station:
        await station.online()
        await csms.call(order(evse_id=1, seconds=0.3))
        await csms.until("ReservationStatusUpdate", reservation_update_status="Expired")
        assert station.status(1) == "Available"


async def test_offline_use_is_told_after_the_reconnect(csms):
    """E04: the queue survives the socket; no second BootNotification."""
    async with station_of(csms) as station:
        await station.online()
        await csms.call(order(evse_id=1))
        await station.go_offline()
        await station.present(1, "AABBCCDD")
        await station.plug_in(1)
        await station.go_online()
        event = await csms.until("TransactionEvent", event_type="Started")
        assert (event["offline"], event["reservation_id"]) == (True, 7)
        assert [action for action, _ in csms.heard].count("BootNotification") == 1


async def test_reset_reboots_the_station(csms):
    """B11: the answer first, then a new connection with BootNotification RemoteReset; Reserved stays."""
    async with station_of(csms) as station:
        await station.online()
        await csms.call(order(evse_id=1))
        assert (await csms.call(call.Reset(type="Immediate"))).status == "Accepted"
        await csms.until("BootNotification", reason="RemoteReset")
        await station.online()
        assert station.status(1) == "Reserved"


async def test_a_pending_station_waits_and_boots_again(csms):
    """B02: nothing but BootNotification until it is Accepted, repeated after the interval."""
    csms.boot_statuses = ["Pending"]
    async with station_of(csms, evses=1) as station:
        await station.online()
    assert [action for action, _ in csms.heard] == ["BootNotification", "BootNotification", "StatusNotification"]


async def test_basic_auth_and_its_lack(csms):
    """The password opens; a wrong one ends in a reproach that names the address."""
    csms.password = "right-password"
    async with station_of(csms, password="right-password") as station:
        await station.online()
    async with station_of(csms, password="wrong") as station:
        with pytest.raises(TimeoutError, match=r"SIM1 is not online at ws://127\.0\.0\.1"):
            await station.online(timeout_s=0.5)


@pytest.mark.parametrize("offered", [(), ("ocpp1.6",)])
async def test_a_csms_without_the_subprotocol_is_left(offered):
    """OCPP-J: no agreed subprotocol, no conversation."""
    async with tiny_csms(subprotocols=offered) as csms:
        async with station_of(csms) as station:
            with pytest.raises(TimeoutError, match=r"SIM1 is not online"):
                await station.online(timeout_s=0.5)
        assert csms.heard == []


async def test_a_csms_that_is_not_there_is_said_to_be(csms):
    """Nothing listens: the reproach carries the reason."""
    async with SimulatedStation("ws://127.0.0.1:1/ocpp", StationOptions(), world=world()) as station:
        with pytest.raises(TimeoutError, match=r"127\.0\.0\.1:1/ocpp/SIM1: .*Errno"):
            await station.online(timeout_s=0.5)


async def test_the_station_id_is_escaped_in_the_address():
    """A provisioned id may hold a space."""
    station = SimulatedStation("ws://csms/ocpp/", StationOptions(station_id="With Space"), world=world())
    assert station.url == "ws://csms/ocpp/With%20Space"


async def test_an_unknown_action_is_a_callerror(csms):
    """NotImplemented, and the connection lives on."""
    async with station_of(csms) as station:
        await station.online()
        with pytest.raises(ActionUnknown):
            await csms.call(call.ClearCache())
        assert (await csms.call(order(evse_id=1))).status == "Accepted"


async def test_misbehaviour_call_error(csms):
    """The chosen code is answered and nothing is done."""
    faulty = Misbehaviour(call_error={"ReserveNow": "NotSupported"})
    async with station_of(csms, misbehaviour=faulty) as station:
        await station.online()
        with pytest.raises(NotSupportedError):
            await csms.call(order(evse_id=1))
        assert station.state.reservations == {}


async def test_misbehaviour_never_answer(csms):
    """It is done and never answered; the next CALL is answered."""
    async with station_of(csms, misbehaviour=Misbehaviour(never_answer=frozenset({"ReserveNow"}))) as station:
        await station.online()
        csms.peer._response_timeout = 0.2
        with pytest.raises(asyncio.TimeoutError):
            await csms.call(order(evse_id=1))
        assert 7 in station.state.reservations
        assert (await csms.call(call.CancelReservation(reservation_id=7))).status == "Accepted"


async def test_misbehaviour_late_answer(csms):
    """The answer is held back."""
    async with station_of(csms, misbehaviour=Misbehaviour(answer_delay={"ReserveNow": 0.3})) as station:
        await station.online()
        before = asyncio.get_running_loop().time()
        assert (await csms.call(order(evse_id=1))).status == "Accepted"
        assert asyncio.get_running_loop().time() - before >= 0.3


async def test_misbehaviour_close(csms):
    """The socket closes with the CALL unanswered, and the station comes back without a boot."""
    faulty = Misbehaviour(close_on=frozenset({"CancelReservation"}))
    async with station_of(csms, misbehaviour=faulty) as station:
        await station.online()
        await csms.call(order(evse_id=1))
        csms.peer._response_timeout = 0.2
        with pytest.raises(asyncio.TimeoutError):
            await csms.call(call.CancelReservation(reservation_id=7))
        await station.online()
        assert 7 in station.state.reservations
        assert [action for action, _ in csms.heard].count("BootNotification") == 1


async def test_misbehaviour_wrong_clock(csms):
    """Timestamps are those of the station's own clock."""
    async with station_of(csms, misbehaviour=Misbehaviour(clock_offset=timedelta(days=-2))) as station:
        await station.online()
    told = datetime.fromisoformat(csms.heard[1][1]["timestamp"])
    assert datetime.now(UTC) - told > timedelta(days=1)


async def test_frames_are_remembered(csms):
    """Both directions, as they were on the wire."""
    async with station_of(csms) as station:
        await station.online()
        first = station.frames[0]
    assert first.sent
    assert json.loads(first.text)[2] == "BootNotification"


async def test_waiting_in_vain_says_for_what(csms):
    """The reproach names the action and the station."""
    async with station_of(csms) as station:
        await station.online()
        with pytest.raises(TimeoutError, match="no ReserveNow at SIM1"):
            await station.wait_for("ReserveNow", timeout_s=0.05)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
@pytest.mark.parametrize("target", [{"evse_id": 1}, {}])
async def test_every_scenario_passes_with_a_csms_that_does_its_part(csms, name, target):
    """Each flow, with a named EVSE and without one."""
    csms.groups["DDCCBBAA"] = "GROUP001"
    story: list[str] = []

    async def operator() -> None:
        await csms.until("StatusNotification", evse_id=1)
        seconds = 0.5 if name == "expire" else 60
        await csms.call(order(seconds=seconds, group_id_token=GROUP if name == "use-by-group" else None, **target))
        if name == "cancel":
            await csms.call(call.CancelReservation(reservation_id=7))

    options = StationOptions(evses=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(operator())
        passed = await run_scenario(name, csms.url, options, story.append, world=world(), wait_s=5)
    assert passed, story
    assert any("curl -X POST http://127.0.0.1:8080/api/v1/reservations" in line for line in story)


async def test_a_scenario_that_nobody_orders_fails(csms):
    """It says what it waited for and returns False."""
    story: list[str] = []
    assert not await run_scenario("reserve", csms.url, StationOptions(), story.append, world=world(), wait_s=0.2)
    assert story[-1] == "failed: no ReserveNow at SIM1 within 0.2 s"


async def test_a_scenario_finds_a_csms_that_gives_no_group(csms):
    """use-by-group fails when Authorize comes back without groupIdToken."""
    story: list[str] = []

    async def operator() -> None:
        await csms.until("StatusNotification", evse_id=1)
        await csms.call(order(evse_id=1, group_id_token=GROUP))

    async with asyncio.TaskGroup() as group:
        group.create_task(operator())
        passed = await run_scenario(
            "use-by-group", csms.url, StationOptions(evses=1), story.append, world=world(), wait_s=5
        )
    assert not passed


async def test_a_fleet_comes_up_and_goes(csms):
    """Every station is online once and told so; setting `stop` ends them all."""
    stop, online = asyncio.Event(), []

    def on_online(station: SimulatedStation) -> None:
        online.append(station.id)
        if len(online) == 5:
            stop.set()

    async with asyncio.timeout(10):
        await run_fleet(
            csms.url,
            [StationOptions(f"DEMO{n}", connector_types=("cCCS2", "cType2")) for n in range(1, 6)],
            lively=False,
            stop=stop,
            on_online=on_online,
            world=world(),
        )
    assert sorted(online) == [f"DEMO{n}" for n in range(1, 6)]


class Hasty(random.Random):
    """Drivers who hardly wait."""

    def uniform(self, a: float, b: float) -> float:
        """The same short time for everything."""
        return 0.01


async def lively(csms, stop):
    """One lively station with two EVSEs until `stop`."""
    hasty = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=Hasty(1))
    await run_fleet(
        csms.url,
        [StationOptions("DEMO1")],
        lively=True,
        stop=stop,
        on_online=lambda _: None,
        world=hasty,
    )


async def test_a_lively_fleet_has_drivers(csms):
    """Transactions come and go on EVSE 2, EVSE 1 stays free for reservations."""
    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(lively(csms, stop))
        await csms.until("TransactionEvent", event_type="Ended")
        stop.set()
    started = [payload["evse"] for action, payload in csms.heard if "evse" in payload and action == "TransactionEvent"]
    assert all(evse == {"id": 2, "connector_id": 1} for evse in started)


async def test_holders_of_reservations_come_before_the_expiry(csms):
    """In a lively fleet a reservation of EVSE 2 with little time left is used."""
    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(lively(csms, stop))
        await csms.until("StatusNotification", evse_id=2)
        while (await csms.call(order(evse_id=2))).status != "Accepted":
            continue
        await csms.until("TransactionEvent", reservation_id=7)
        stop.set()
