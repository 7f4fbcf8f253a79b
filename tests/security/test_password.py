"""A01 through a whole node: a station gets a new password, and is locked out by nothing that can go wrong on the way."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
import websockets
from secured import PASSWORD, Secured
from websockets.exceptions import InvalidStatus

from evhold.gateway.admission import Gatekeeper, Link, Refusal
from evhold.simulator.options import Misbehaviour
from tls_stage import station_tls

NEW = "another-password-of-16"


async def provisioned(node: Secured, **misbehaviour: object):
    """CS1 is online with PASSWORD, and has these faults."""
    await node.put("CS1", password=PASSWORD)
    station = await node.station("CS1", password=PASSWORD, misbehaviour=Misbehaviour(**misbehaviour))
    await station.online()
    return station


async def gets_in(node: Secured, password: str) -> bool:
    """Whether the gate lets CS1 in by this password; nothing is connected."""
    header = {"authorization": "Basic " + b64encode(f"CS1:{password}".encode()).decode()}
    keeper = Gatekeeper(node.app.credentials.find)
    return not isinstance(keeper.decide("/ocpp/CS1", headers=header, link=Link(is_tls=True)), Refusal)


async def until(node: Secured, *, new: bool, old: bool) -> None:
    """The gate has come to know this."""
    async with asyncio.timeout(10):
        while (await gets_in(node, NEW), await gets_in(node, PASSWORD)) != (new, old):
            await node.app.credentials.refresh()


async def change(node: Secured, **body: str):
    """POST /stations/CS1/password."""
    return await node.http.post("/stations/CS1/password", json=body)


@pytest.mark.req("A01.FR.02", "A01.FR.03")
async def test_an_accepted_password_is_the_only_one(node: Secured) -> None:
    """One that is made is shown this once, is the specification's, and the old one is refused from then on."""
    station = await provisioned(node)
    answer = await change(node)
    made = answer.json()["password"]

    assert (answer.status_code, answer.json()["status"], len(made)) == (200, "Accepted", 32)
    assert (await gets_in(node, made), await gets_in(node, PASSWORD)) == (True, False)
    connecting = websockets.connect(
        f"{node.url}/CS1",
        subprotocols=["ocpp2.0.1"],  # type: ignore[list-item]
        additional_headers={"Authorization": "Basic Q1MxOmEtbWFjaGluZS1tYWRlLXBhc3N3b3Jk"},
        ssl=station_tls(),
        proxy=None,
    )
    with pytest.raises(InvalidStatus) as refused:
        await connecting
    assert refused.value.response.status_code == 401
    await station.go_offline()
    await station.go_online()
    await station.online()


@pytest.mark.req("A01.FR.09")
async def test_a_password_is_read_nowhere(node: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """In no recorded frame, no log with every frame in it, no event, no audit; one that was given in no answer either."""
    node.app.node.log_frames = True
    await provisioned(node)
    made = (await change(node)).json()["password"]
    answer = await change(node, password=NEW)
    refused = await change(node, password=f"{NEW}/")
    shown = [(await node.http.get(path)).text for path in ("/stations/CS1/messages", "/security-events", "/audit")]
    logged = capsys.readouterr().out

    assert answer.json() == {"stationId": "CS1", "status": "Accepted"}
    assert shown[0].count("BasicAuthPassword") == logged.count("BasicAuthPassword") == 4
    text = "".join([answer.text, refused.text, logged, *shown])
    assert [one for one in (made, NEW, PASSWORD) if one in text] == []
    assert await gets_in(node, NEW)


@pytest.mark.req("A01.FR.04")
async def test_a_password_that_the_station_refuses_changes_nothing(node: Secured) -> None:
    """Another status than Accepted, or a CALLERROR: the old one is the only one, and the next change may begin."""
    await provisioned(node, call_error={"SetVariables": "InternalError"})
    answer = await change(node, password=NEW)

    assert (answer.status_code, answer.json()["type"]) == (502, "/problems/station-call-error")
    assert (await gets_in(node, NEW), await gets_in(node, PASSWORD)) == (False, True)
    assert (await change(node)).status_code == 502


async def test_that_the_old_one_opens_the_door_says_nothing_until_the_station_restarts(node: Secured) -> None:
    """It was cut off before it took it, or takes it at its next boot: only then, by the old one still, it has not."""
    station = await provisioned(node, close_on=frozenset({"SetVariables"}))
    answer = await change(node, password=NEW)
    assert (answer.status_code, answer.json()["status"]) == (202, "Unconfirmed")
    await station.go_offline()
    await station.go_online()
    await node.app.credentials.refresh()
    assert (await gets_in(node, NEW), await gets_in(node, PASSWORD)) == (True, True)
    await station.reboot()
    await until(node, new=False, old=True)


async def test_a_station_that_wants_a_reboot_first_has_both_until_then(node: Secured) -> None:
    """RebootRequired: it comes by the old one, and after its reboot by the new one, which is the only one then."""
    station = await provisioned(node, password_after_reboot=True)
    answer = await change(node, password=NEW)
    assert (answer.status_code, answer.json()) == (202, {"stationId": "CS1", "status": "RebootRequired"})
    pending = await change(node)
    assert (pending.status_code, pending.json()["type"]) == (409, "/problems/password-change-pending")
    await station.go_offline()
    await station.go_online()
    await node.app.credentials.refresh()
    assert (await gets_in(node, NEW), await gets_in(node, PASSWORD)) == (True, True)
    await station.reboot()
    await until(node, new=True, old=False)


async def test_what_can_not_be_is_refused(node: Secured) -> None:
    """A password that is none of OCPP's; a station that is away; a raw call, after which nobody here would know it."""
    await node.put("CS1", password=PASSWORD)
    answer = await change(node, password=NEW)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/station-offline")
    for password in ("short", "x" * 41, "with a space inside it", "with/a/slash/in/it"):
        answer = await change(node, password=password)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "password"), password
    await provisioned(node)
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": NEW,
    }
    answer = await node.http.post("/stations/CS1/calls/SetVariables", json={"setVariableData": [data]})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/goes-through-password")
    assert (await gets_in(node, NEW), await gets_in(node, PASSWORD)) == (False, True)
