"""Security profiles 2 and 3 as they should go: who gets in, by which suites, and that new files take the old ones' place."""

import asyncio
import os
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from gateway_harness import ask
from tls_gateway import provision, tls_gateway
from trustme import KeyType
from websockets.exceptions import InvalidHandshake

from evhold.gateway.tls import Certificates, TlsFiles, TlsUnusable, open_context
from tls_stage import Folder, station_tls, stranger


@pytest.fixture
async def gateway(tmp_path):
    """A running server by TLS that takes stations' certificates."""
    async with tls_gateway(tmp_path) as gateway:
        yield gateway


@pytest.mark.req("A00.FR.306", "A00.FR.307", "A00.FR.312")
async def test_a_password_over_tls_is_profile_2(gateway):
    """The server shows its certificate, the station its password, and the session knows by which profile it came."""
    async with gateway.connect(ssl=station_tls()) as client:
        assert await ask(client, "Plain", "hello") == [3, "m1", {"text": "hello"}]
        assert (await gateway.ready()).context.security_profile == 2


@pytest.mark.req("A00.FR.403", "A00.FR.405", "A00.FR.409", "A00.FR.410")
async def test_a_certificate_with_the_id_as_its_name_is_profile_3(gateway):
    """Where no serial number is provisioned the CN is the station's id; no password is asked for."""
    provision(gateway, "CS3", security_profile=3)
    async with gateway.connect("CS3", password=None, ssl=station_tls("CS3")) as client:
        assert await ask(client, "Plain", "hello") == [3, "m1", {"text": "hello"}]
        context = (await gateway.ready("CS3")).context
        assert (context.security_profile, context.common_name) == (3, "CS3")


@pytest.mark.req("A00.FR.405")
async def test_a_certificate_with_the_provisioned_serial_number_gets_in(gateway):
    """The serial number that was provisioned is what the CN has to be."""
    provision(gateway, "CS3", security_profile=3, serial_number="SN-0815")
    async with gateway.connect("CS3", password=None, ssl=station_tls("SN-0815")):
        assert (await gateway.ready("CS3")).context.common_name == "SN-0815"


async def test_a_request_that_comes_in_pieces_and_a_big_message_are_one_stream(gateway):
    """Records of TLS and messages of OCPP have nothing to do with each other."""
    big = "x" * 300_000
    async with gateway.connect(ssl=station_tls(), max_size=None) as client:
        assert await ask(client, "Plain", big) == [3, "m1", {"text": big}]


async def test_tls_goes_by_the_ssl_module(gateway):
    """The transport's other way to OpenSSL costs half a megabyte a connection, and reads CPython's memory by its layout."""
    async with gateway.connect(ssl=station_tls()):
        transport = (await gateway.ready())._peer._transport.underlying_transport
        assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)


def only(version: ssl.TLSVersion, ciphers: str | None = None) -> ssl.SSLContext:
    """A client that can this version only, and these suites."""
    context = station_tls()
    context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


SUITES = [
    (KeyType.ECDSA, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (KeyType.ECDSA, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (KeyType.RSA, "AES128-GCM-SHA256"),
    (KeyType.RSA, "AES256-GCM-SHA384"),
    (KeyType.RSA, "ECDHE-RSA-AES256-GCM-SHA384"),
]


@pytest.mark.req("A00.FR.318", "A00.FR.421")
async def test_the_suites_of_the_specification_are_spoken(tmp_path):
    """All four of OCPP's, by one server that has a certificate of either kind; without compression and tickets."""
    listed = []
    for kind in (KeyType.RSA, KeyType.ECDSA):
        (tmp_path / kind.name).mkdir()
        Folder(tmp_path / kind.name).issue(key_type=kind)
        listed.append(Folder(tmp_path / kind.name).files)
    both = TlsFiles(tuple(one.certificates[0] for one in listed), tuple(one.keys[0] for one in listed))
    async with tls_gateway(tmp_path) as gateway:
        gateway.certificates.context = open_context(both)
        for _, suite in SUITES:
            async with gateway.connect(ssl=only(ssl.TLSVersion.TLSv1_2, suite)) as client:
                spoken = client.transport.get_extra_info("ssl_object")
                assert spoken.cipher()[0] == suite
                assert spoken.compression() is None
                assert not spoken.session.has_ticket


@pytest.mark.req("A00.FR.313", "A00.FR.416")
async def test_tls_1_3_is_spoken(gateway):
    """The newest version that both know is taken."""
    async with gateway.connect(ssl=station_tls()) as client:
        assert client.transport.get_extra_info("ssl_object").version() == "TLSv1.3"


# --- files


def shown_by(client) -> bytes:
    """The server's certificate, as the client saw it."""
    return client.transport.get_extra_info("ssl_object").getpeercert(True)


async def test_new_files_are_in_force_for_the_next_connection(gateway, tmp_path):
    """Who is connected stays; who comes after sees the new certificate, without a restart."""
    async with gateway.connect(ssl=station_tls()) as first:
        before = shown_by(first)
        Folder(tmp_path).issue()
        gateway.certificates._looked_at = float("-inf")

        async with gateway.connect("CS2", ssl=station_tls()) as second:
            assert shown_by(second) != before
            assert await ask(first, "Plain", "still here") == [3, "m1", {"text": "still here"}]


async def test_broken_files_leave_the_old_ones_in_force(gateway, tmp_path, capsys):
    """Half a file is an error in the log; the server goes on with what it has, and takes the whole file when it is there."""
    async with gateway.connect(ssl=station_tls()) as client:
        before = shown_by(client)
    whole = Folder(tmp_path)
    (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nhalf")

    assert not gateway.certificates.reload()
    async with gateway.connect(ssl=station_tls()) as client:
        assert shown_by(client) == before
    whole.issue()
    assert gateway.certificates.reload()
    async with gateway.connect(ssl=station_tls()) as client:
        assert shown_by(client) != before
    assert "tls.reload-failed" in capsys.readouterr().out


async def test_files_are_looked_at_once_in_two_seconds(tmp_path):
    """A storm of connections does not become a storm of file look-ups; a change is seen by size, time or inode."""
    folder = Folder(tmp_path)
    folder.issue()
    certificates = Certificates(folder.files)
    certificates.look(10.0)
    first = certificates.context
    folder.issue()

    certificates.look(11.0)
    assert certificates.context is first
    certificates.look(12.0)
    assert certificates.context is not first


async def test_an_authority_that_is_taken_out_lets_its_stations_in_no_more(gateway, tmp_path):
    """The file of --tls-client-ca counts as the others do."""
    provision(gateway, "CS3", security_profile=3)
    old = station_tls("CS3")
    async with gateway.connect("CS3", password=None, ssl=old):
        pass
    Folder(tmp_path).issue(trusted=stranger())
    gateway.certificates.reload()

    with pytest.raises((OSError, EOFError, InvalidHandshake)):
        async with gateway.connect("CS3", password=None, ssl=old) as client:
            await client.recv()
    async with gateway.connect("CS3", password=None, ssl=station_tls("CS3", by=stranger())):
        assert (await gateway.ready("CS3")).context.security_profile == 3


@pytest.mark.parametrize(
    ("broken", "option"),
    [("cert.pem", "--tls-cert"), ("key.pem", "--tls-cert"), ("ca.pem", "--tls-client-ca")],
)
def test_files_that_do_not_fit_name_their_option(tmp_path: Path, broken: str, option: str):
    """A start with them is refused in one line."""
    folder = Folder(tmp_path)
    folder.issue()
    (tmp_path / broken).write_text("nothing of the kind")

    with pytest.raises(
        TlsUnusable, match=broken.replace(".", r"\.") if broken != "key.pem" else "no certificate"
    ) as refused:
        open_context(folder.files)
    assert refused.value.option == option


@pytest.mark.parametrize(("missing", "option"), [("key.pem", "--tls-key"), ("ca.pem", "--tls-client-ca")])
def test_files_that_are_not_there_name_their_option(tmp_path: Path, missing: str, option: str):
    """So do those that can't be read."""
    folder = Folder(tmp_path)
    folder.issue()
    (tmp_path / missing).unlink()

    with pytest.raises(TlsUnusable) as refused:
        open_context(folder.files)
    assert (refused.value.option, refused.value.reason.endswith(os.strerror(2))) == (option, True)


def test_a_key_with_a_password_asks_nobody(tmp_path: Path):
    """OpenSSL would wait at the terminal for ever."""
    folder = Folder(tmp_path)
    made = folder.issue()
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(made.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "key.pem").write_bytes(locked)

    with pytest.raises(TlsUnusable, match="no certificate with its key"):
        open_context(folder.files)


async def test_a_server_that_stops_leaves_nobody_in_the_door(tmp_path):
    """A TLS handshake that is not complete ends with the server."""
    async with tls_gateway(tmp_path) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        await gateway.until(lambda: gateway.server._listener._opening)
    with suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    writer.close()
