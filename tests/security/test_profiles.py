"""Security profiles through a whole node: from PUT to the station's boot, and what the lowest profile is afterwards."""

from __future__ import annotations

import json

import pytest
import websockets
from secured import PASSWORD, Secured
from websockets.exceptions import ConnectionClosed

from tls_stage import station_tls


async def profile_of(node: Secured, station_id: str) -> int | None:
    """As the API shows it."""
    shown: int | None = (await node.http.get(f"/stations/{station_id}")).json()["securityProfile"]
    return shown


@pytest.mark.req("A05.FR.07")
async def test_a_boot_by_tls_is_the_lowest_profile_from_then_on(node: Secured) -> None:
    """From 1 to 2 by a password over TLS, to 3 by a certificate; then a password is not enough, and PUT lowers nothing."""
    await node.put("CS1", password=PASSWORD, securityProfile=1)
    station = await node.station("CS1", password=PASSWORD)
    await station.online()
    assert await profile_of(node, "CS1") == 2

    await (await node.station("CS1", tls=station_tls("CS1"))).online()
    assert await profile_of(node, "CS1") == 3
    lowered = await node.put("CS1", securityProfile=2)
    assert (lowered.status_code, lowered.json()["type"]) == (409, "/problems/security-profile-lowered")
    assert lowered.json()["securityProfile"] == 3


@pytest.mark.req("B01.FR.12")
async def test_another_serial_number_than_the_certificates_ends_the_connection(node: Secured) -> None:
    """SecurityError, and then 1008; the station is as it was."""
    await node.put("CS3", securityProfile=3, serialNumber="SN-3")
    connecting = websockets.connect(
        f"{node.url}/CS3",
        subprotocols=["ocpp2.0.1"],
        ssl=station_tls("SN-3"),
        proxy=None,  # type: ignore[list-item]
    )
    boot = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V", "serialNumber": "SN-4"}}
    async with connecting as one:
        await one.send(json.dumps([2, "m1", "BootNotification", boot]))
        assert json.loads(await one.recv())[:3] == [4, "m1", "SecurityError"]
        with pytest.raises(ConnectionClosed) as closed:
            await one.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert (await node.http.get("/stations/CS3")).json()["vendorName"] is None


async def test_a_station_of_profile_3_is_made_no_password(node: Secured) -> None:
    """There is none that could be lost."""
    made = await node.put("CS3", securityProfile=3)
    assert (made.status_code, "password" in made.json()) == (201, False)
