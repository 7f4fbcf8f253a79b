"""The process itself: stopping, starting again, and the command line beside a running server."""

import asyncio
import json

import pytest
from e2e_stage import FREE, GROUP, RESERVED, ended, evhold, id_token, online, register, reserved, start, station_of
from websockets.asyncio.client import connect

from csms import QUICK, Csms
from evhold.simulator.scenarios import SCENARIOS

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def test_sigterm_ends_the_work_in_hand(tmp_path):
    """Close code 1001 for stations, the open event stream ends, exit code 0, and the database is whole."""
    server = await Csms(tmp_path).start()
    try:
        url = f"{server.api}/api/v1/events"
        async with (
            connect(f"{server.stations}/STOP", subprotocols=["ocpp2.0.1"], proxy=None) as socket,
            server.http.stream("GET", url) as stream,
        ):
            assert await server.stop() == 0
            await socket.wait_closed()
            assert socket.close_code == 1001
            async for _ in stream.aiter_bytes():
                pass
        assert "Traceback" not in "\n".join(server.output)
    finally:
        await server.close()


@pytest.mark.req("B01")
async def test_a_restart_keeps_everything(tmp_path):
    """Reservation, history, connectors and registration; the station comes back without a boot and is canceled at."""
    server = await Csms(tmp_path).start()
    try:
        async with online(server, "KEEPS") as station:
            body = await reserved(server, "KEEPS", evseId=1)
            await server.until_connectors("KEEPS", {(1, 1): RESERVED, (2, 1): FREE})
            history = await server.history(body["id"])
            assert await server.stop() == 0
            await server.start()
            assert await server.reservation(body["id"]) == body
            assert await server.history(body["id"]) == history
            assert await server.connectors("KEEPS") == {(1, 1): RESERVED, (2, 1): FREE}
            await station.online()
            await server.until_online("KEEPS")
            answer = await server.request("DELETE", f"/reservations/{body['id']}")
            assert (answer.status_code, answer.json()["status"]) == (200, "Canceled")
            again = await reserved(server, "KEEPS", evseId=1)
            assert again["id"] != body["id"]
            boots = [one for one in station.frames if one.sent and b'"BootNotification"' in one.text]
            assert len(boots) == 1
    finally:
        await server.close()


async def test_a_kill_loses_nothing(tmp_path):
    """Killed while the station thinks: Unconfirmed after the start, and settled with the station."""
    server = await Csms(tmp_path).start()
    try:
        async with online(server, "KILL", faulty={"never_answer": {"ReserveNow"}}) as station:
            answer = await server.reserve("KILL", evseId=1, headers={"Prefer": "wait=0"})
            assert answer.status_code == 202
            await station.wait_for(lambda: len(station.state.reservations) == 1)
            await server.kill()
            await server.start()
            assert (await server.reservation(answer.json()["id"]))["status"] == "Unconfirmed"
            await station.plug_in(2)
            await server.until(answer.json()["id"], "Canceled", cause="retracted")
            assert station.state.reservations == {}
    finally:
        await server.close()


async def test_the_command_line_beside_a_running_server(tmp_path):
    """What station, token and key write into the database is seen by the server; reserve and cancel ask it."""
    server = await Csms(tmp_path, options=QUICK).start()
    try:
        database = ("--database", f"sqlite:///{server.database}")
        added = await evhold("station", "add", "CLI1", "--json", *database, csms=server)
        assert added.code == 0, added.err
        password = json.loads(added.out)["password"]
        ran = await evhold("token", "add", "C0FFEE01", "--group", "GROUP001:Central", *database, csms=server)
        assert ran.code == 0, ran.err
        made = await evhold("key", "create", "--role", "operator", "--json", *database, csms=server)
        assert made.code == 0, made.err
        async with station_of(server, "CLI1", password=password) as station:
            await station.online()
            await server.until_online("CLI1")
            order = ("reserve", "CLI1", "--token", "C0FFEE01", "--evse", "1", "--for", "10m", "--json")
            ran = await evhold(*order, "--key", json.loads(made.out)["key"], csms=server)
            assert ran.code == 0, ran.err
            body = json.loads(ran.out)
            assert (body["status"], body["evseId"]) == ("Active", 1)
            refused = await evhold(*order, csms=server)
            assert refused.code == 1
            assert refused.err.count("\n") == 1
            ran = await evhold("cancel", str(body["id"]), csms=server)
            assert (ran.code, "Canceled" in ran.out) == (0, True), ran.err
    finally:
        await server.close()


async def test_watch_tells_each_event_as_a_line(csms):
    """`evhold watch --json` beside a station where cars come and go, and then a reservation."""
    async with online(csms, "WATCHED") as station:
        process = await start("watch", "--json", csms=csms)
        assert process.stdout is not None
        first = asyncio.create_task(process.stdout.readline())
        try:
            async with asyncio.timeout(20):
                while not first.done():
                    await station.plug_in(2)
                    await station.unplug(2)
                assert json.loads(first.result())["event"] == "connector.status"
                body = await reserved(csms, "WATCHED", evseId=1)
                while (told := json.loads(await process.stdout.readline()))["event"] != "reservation.accepted":
                    continue
                assert told["data"]["reservation"]["id"] == body["id"]
        finally:
            process.kill()
            await process.communicate()


async def play(csms, name, prefix):
    """What somebody has to order for the scenario, by REST, once its station is online."""
    station_id = f"{prefix}1"
    await csms.until_online(station_id)
    await csms.until_connectors(station_id, {(1, 1): FREE})
    if name == "use-by-group":
        await register(csms, "DDCCBBAA", group=GROUP)
    terms = {"groupIdToken": GROUP} if name == "use-by-group" else {}
    body = await reserved(csms, station_id, evseId=1, seconds=1.5 if name == "expire" else 60, **terms)
    if name == "cancel":
        await csms.request("DELETE", f"/reservations/{body['id']}")
    return body


ENDS = {
    "reserve": "Active",
    "cancel": "Canceled",
    "use": "Used",
    "use-by-group": "Used",
    "expire": "Expired",
    "fault": "Removed",
    "foreign-token": "Active",
    "plug-first": "Used",
    "offline-use": "Used",
    "reboot": "Active",
}


async def test_every_scenario_is_played():
    """None is left out below."""
    assert ENDS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("name", sorted(ENDS))
async def test_a_scenario_of_the_simulator(csms, name):
    """`evhold simulate --scenario` with a driver at the REST API exits 0 and leaves what its flow means."""
    prefix = f"SCENE-{name}-"
    process = await start(
        *("simulate", "--url", csms.stations, "--prefix", prefix, "--evses", "1", "--scenario", name), csms=csms
    )
    try:
        body = await play(csms, name, prefix)
        ran = await ended(process)
        assert ran.code == 0, ran.out + ran.err
        assert ran.out.splitlines()[-1] == f"{name}: passed"
        assert (await csms.until(body["id"], ENDS[name]))["idToken"] == id_token()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_wrong_scenario_is_one_line(csms):
    """Exit code 2 and the names that there are."""
    ran = await evhold("simulate", "--scenario", "nonsense", csms=csms)
    assert ran.code == 2
    assert "nonsense" in ran.err
    assert ran.err.count("\n") == 1
