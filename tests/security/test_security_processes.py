"""Security profiles as an operator meets them: real processes, real signals, certificates in files."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from signal import SIGHUP, SIGTERM
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from csms import QUICK, WAIT_TIMEOUT_S, Csms, environment_of
from tls_stage import Folder, authority, station_tls

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

OLD, NEW = "the-old-password-1", "the-new-password-2"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server whose stations come by TLS, with a certificate or a password."""
    folder = tmp_path_factory.mktemp("tls")
    Folder(folder).issue()
    files = ("--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-client-ca", "ca.pem")
    server = await Csms(folder, options=(*QUICK, *files)).start()
    assert server.stations.startswith("wss://"), server.output
    yield server
    await server.close()


async def provisioned(server: Csms, station_id: str, **more: Any) -> None:
    """The station is known."""
    answer = await server.request("PUT", f"/stations/{station_id}", json=more)
    assert answer.status_code in (200, 201), answer.text


async def arrives(
    url: str, password: str, *, station_id: str = "CS1", tls: ssl.SSLContext | None = None
) -> ClientConnection:
    """The station by this password."""
    header = {"Authorization": "Basic " + b64encode(f"{station_id}:{password}".encode()).decode()}
    protocols: list[Any] = ["ocpp2.0.1"]
    return await connect(f"{url}/{station_id}", subprotocols=protocols, additional_headers=header, ssl=tls, proxy=None)


async def asked(station: ClientConnection, action: str) -> str:
    """The message id of the server's next CALL of this action; all others stay open."""
    while True:
        frame = json.loads(await station.recv())
        if frame[0] == 2 and frame[2] == action:
            return str(frame[1])


async def calls(station: ClientConnection, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """What the server answers."""
    await station.send(json.dumps([2, f"my-{action}", action, payload]))
    while True:
        frame = json.loads(await station.recv())
        if frame[:2] == [3, f"my-{action}"]:
            answer: dict[str, Any] = frame[2]
            return answer


async def is_refused(come: Callable[[], Awaitable[ClientConnection]]) -> None:
    """This password opens nothing any more, as soon as what the other one settled is stored."""
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        with suppress(InvalidStatus):
            while True:
                await (await come()).close()


def serial_of(station: ClientConnection) -> int:
    """The serial number of the certificate that the server showed to this connection."""
    shown = station.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(shown).serial_number


async def test_sighup_takes_new_certificates_and_leaves_connections(secured: Csms) -> None:
    """Nobody connects meanwhile: it is the signal that does it. Broken files leave the certificates in force."""
    assert secured.process is not None
    for station_id in ("CS1", "CS2"):
        await provisioned(secured, station_id, password=OLD)
    before = await arrives(secured.stations, OLD, tls=station_tls())
    issued = Folder(secured.folder).issue()
    secured.process.send_signal(SIGHUP)
    await secured.has_said("tls.reloaded")
    (secured.folder / "key.pem").write_text("no key")
    secured.process.send_signal(SIGHUP)
    await secured.has_said("tls.reload-failed")
    (secured.folder / "key.pem").write_bytes(issued.private_key_pem.bytes())

    assert "currentTime" in await calls(before, "Heartbeat", {})
    after = await arrives(secured.stations, OLD, station_id="CS2", tls=station_tls())
    assert serial_of(after) != serial_of(before)
    await asyncio.gather(before.close(), after.close())


@asynccontextmanager
async def simulated(server: Csms, *options: str) -> AsyncIterator[asyncio.StreamReader]:
    """`evhold simulate` against the server; what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", "simulate", "--url", server.stations, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment_of(),
        cwd=server.folder,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.send_signal(SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def line_of(output: asyncio.StreamReader) -> str:
    """The next line."""
    return (await asyncio.wait_for(output.readline(), 30)).decode().rstrip()


@pytest.mark.parametrize(
    ("station_id", "profile", "provision", "options"),
    [
        ("P2-1", 2, {"password": OLD}, ("--password", OLD)),
        ("P3-1", 3, {"securityProfile": 3, "serialNumber": "SN-1"}, ("--cert", "{id}.pem", "--key", "{id}.key")),
    ],
)
async def test_a_simulated_station_registers(
    secured: Csms, station_id: str, profile: int, provision: dict[str, Any], options: tuple[str, ...]
) -> None:
    """By a password over TLS, and by its own certificate from a file of its name; its profile is noted."""
    await provisioned(secured, station_id, **provision)
    (secured.folder / "authority.pem").write_bytes(authority().cert_pem.bytes())
    made = authority().issue_cert(common_name="SN-1")
    (secured.folder / "P3-1.pem").write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    (secured.folder / "P3-1.key").write_bytes(made.private_key_pem.bytes())
    serial = ("--serial-number", "SN-1") if profile == 3 else ()
    prefix = station_id.removesuffix("1")
    async with simulated(secured, "--prefix", prefix, "--ca", "authority.pem", *options, *serial) as output:
        assert await line_of(output) == f"{station_id} is online"
        station = (await secured.request("GET", f"/stations/{station_id}")).json()
    assert (station["online"], station["securityProfile"]) == (True, profile)


@pytest.mark.req("A01.FR.04")
async def test_both_passwords_are_valid_after_a_kill(secured: Csms) -> None:
    """SIGKILL between SetVariables and its answer: the station gets in by either, and the new one is the only one then."""
    await provisioned(secured, "CS1", password=OLD)
    come = partial(arrives, secured.stations, tls=station_tls())
    station = await come(OLD)
    boot = {"chargingStation": {"vendorName": "Acme", "model": "One"}, "reason": "PowerUp"}
    assert (await calls(station, "BootNotification", boot))["status"] == "Accepted"
    order = asyncio.ensure_future(secured.request("POST", "/stations/CS1/password", json={"password": NEW}))
    await asked(station, "SetVariables")
    await secured.kill()
    await asyncio.gather(order, return_exceptions=True)
    await secured.start()
    await (await come(OLD)).close()
    station = await come(NEW)
    assert "currentTime" in await calls(station, "Heartbeat", {})
    await is_refused(partial(come, OLD))
    shown = (await secured.request("GET", "/audit")).text
    assert "the new one is valid" in shown
    assert [one for one in (OLD, NEW) if one in shown + "\n".join(secured.output)] == []
