"""Those who don't belong, at each security profile, over real sockets: what they get, that no session is made, what is kept."""

import asyncio
import socket
import ssl
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_harness import PASSWORD, basic_auth
from tls_gateway import provision, tls_gateway
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from evhold.domain.security import Incidents
from tls_stage import authority, station_tls, stranger


@pytest.fixture
async def gateway(tmp_path):
    """A running server by TLS that takes stations' certificates."""
    async with tls_gateway(tmp_path) as gateway:
        provision(gateway, "CS3", security_profile=3)
        yield gateway


async def status_of(connecting) -> int:
    """The HTTP status of a handshake that fails."""
    with pytest.raises(InvalidStatus) as refused:
        await connecting
    return refused.value.response.status_code


async def cut_off(connecting) -> None:
    """TLS ended before any HTTP answer; by TLS 1.3 a client sees that only when it reads."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError, InvalidHandshake, ConnectionClosed)) as cut:
        async with connecting as client:
            await client.recv()
    assert not isinstance(cut.value, InvalidStatus)


def kept(gateway) -> list[tuple[str, str | None]]:
    """What was noted: the type, and of which station."""
    return [(one.type, one.station_id) for one in gateway.incidents]


def nobody_is_in(gateway) -> bool:
    """No session was made."""
    return not gateway.contexts and len(gateway.registry) == 0


@pytest.mark.req("A00.FR.204", "A00.FR.303", "A00.FR.324")
@pytest.mark.parametrize(
    ("user", "password"),
    [("CS1", "wrong-password-of-16"), ("CS1", None), ("CS1", ""), ("CS2", PASSWORD), ("CS1", PASSWORD + "x")],
)
async def test_profile_2_with_wrong_or_missing_credentials(gateway, user, password):
    """401, no session, and a security event of the station that was named."""
    assert await status_of(gateway.connect(user=user, password=password, ssl=station_tls())) == 401
    assert nobody_is_in(gateway)
    assert kept(gateway) == [(Incidents.WRONG_CREDENTIALS, "CS1")]
    assert gateway.incidents[0].remote == "127.0.0.1"


@pytest.mark.req("A00.FR.204", "A00.FR.324")
async def test_the_password_of_another_station(gateway):
    """A password that is right somewhere is wrong here."""
    provision(gateway, "CS2", password_salt=b"salt-of-the-other", password_hash=b"x" * 32)
    assert await status_of(gateway.connect("CS2", user="CS2", password=PASSWORD, ssl=station_tls())) == 401
    assert kept(gateway) == [(Incidents.WRONG_CREDENTIALS, "CS2")]


@pytest.mark.req("A00.FR.405", "A00.FR.408")
async def test_the_certificate_of_another_station(gateway):
    """A good certificate, of another station: 403, even with the right password of this one."""
    provision(gateway, "CS1", serial_number="SN-1")
    assert await status_of(gateway.connect("CS3", password=None, ssl=station_tls("CS1"))) == 403
    assert await status_of(gateway.connect("CS1", ssl=station_tls("CS1"))) == 403
    assert nobody_is_in(gateway)
    assert kept(gateway) == [(Incidents.BAD_CERTIFICATE, "CS3"), (Incidents.BAD_CERTIFICATE, "CS1")]


@pytest.mark.req("A00.FR.405")
async def test_a_certificate_without_a_common_name(gateway):
    """It belongs to nobody."""
    context = station_tls()
    authority().issue_cert("cs3.example").configure_cert(context)
    assert await status_of(gateway.connect("CS3", password=None, ssl=context)) == 403
    assert kept(gateway) == [(Incidents.BAD_CERTIFICATE, "CS3")]


@pytest.mark.req("A00.FR.403", "A00.FR.407", "A00.FR.408")
@pytest.mark.parametrize("kind", ["expired", "of another authority", "self-made"])
async def test_a_certificate_that_does_not_verify(gateway, kind):
    """TLS ends before a word of HTTP, whatever the certificate's name says; the reason is kept."""
    if kind == "self-made":
        context = station_tls()
        context.load_cert_chain(*_self_signed("CS3"))
    else:
        context = station_tls("CS3", by=stranger() if kind != "expired" else None, expired=kind == "expired")
    await cut_off(gateway.connect("CS3", password=None, ssl=context))
    await gateway.until(lambda: gateway.incidents)

    assert nobody_is_in(gateway)
    assert kept(gateway) == [(Incidents.BAD_CERTIFICATE, None)]
    said = {"expired": "expired", "of another authority": "local issuer", "self-made": "self-signed"}
    assert said[kind] in gateway.incidents[0].detail


@pytest.mark.req("A00.FR.002", "A05.FR.07")
async def test_profile_2_to_a_station_of_profile_3(gateway):
    """The right password is not enough any more: 403, and the attempt is kept."""
    provision(gateway, "CS1", security_profile=3)
    assert await status_of(gateway.connect("CS1", ssl=station_tls())) == 403
    assert nobody_is_in(gateway)
    assert kept(gateway) == [(Incidents.PROFILE_TOO_LOW, "CS1")]


@pytest.mark.req("A00.FR.407")
async def test_no_certificate_and_no_password_to_a_station_of_profile_3(gateway):
    """A station that was provisioned without a password has none that could be guessed."""
    for password in (None, "", PASSWORD):
        assert await status_of(gateway.connect("CS3", password=password, ssl=station_tls())) == 401
    assert nobody_is_in(gateway)


@pytest.mark.req("A05.FR.07")
@pytest.mark.parametrize("profile", [2, 3])
async def test_profile_1_to_a_station_of_a_higher_one(gateway, profile):
    """A listener without TLS does not let in who was on TLS before, whatever password it has."""
    from gateway_harness import Gateway

    async with Gateway() as plain:
        provision(plain, "CS1", security_profile=profile)
        assert await status_of(plain.connect()) == 403
        assert kept(plain) == [(Incidents.PROFILE_TOO_LOW, "CS1")]


@pytest.mark.req("A00.FR.315", "A00.FR.418", "A00.FR.324")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
async def test_an_older_tls(gateway, version):
    """It is cut off in its first message, and kept."""
    context = station_tls()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    await cut_off(gateway.connect(ssl=context))
    await gateway.until(lambda: gateway.incidents)
    assert kept(gateway) == [(Incidents.OLD_TLS, None)]
    assert nobody_is_in(gateway)


@pytest.mark.req("A00.FR.320", "A00.FR.322", "A00.FR.425")
@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
async def test_suites_that_are_not_the_specifications(gateway, suite):
    """A client that can nothing better is cut off."""
    context = station_tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    await cut_off(gateway.connect(ssl=context))
    await gateway.until(lambda: gateway.incidents)
    assert kept(gateway) == [(Incidents.WEAK_CIPHERS, None)]


@pytest.mark.parametrize("offered", [["h2"], ["http/1.1"], ["h2", "acme-tls/1"], ["x" * 255]])
async def test_other_protocols_by_alpn(gateway, offered):
    """None is agreed on: what is spoken is WebSocket over HTTP/1.1, and nothing else can be talked into it."""
    context = station_tls()
    context.set_alpn_protocols(offered)
    async with gateway.connect(ssl=context) as client:
        assert client.transport.get_extra_info("ssl_object").selected_alpn_protocol() is None


async def shake(gateway, context, session=None) -> tuple[ssl.SSLSession | None, bool]:
    """The session of a connection that begins and ends as it should, and whether it went on with this one."""

    def talk():
        with (
            socket.create_connection(("127.0.0.1", gateway.server.port), timeout=5) as bare,
            context.wrap_socket(bare, server_hostname="127.0.0.1", session=session) as secured,
        ):
            told = secured.session, secured.session_reused
            secured.unwrap()
            return told

    return await asyncio.to_thread(talk)


async def test_a_session_of_tls_1_3_that_is_brought_back(gateway):
    """It is not gone on with: no tickets are given."""
    context = station_tls("CS3")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    first, _ = await shake(gateway, context)
    assert not (await shake(gateway, context, first))[1]


async def test_a_session_of_tls_1_2_that_is_brought_back_with_other_files_in_force(gateway):
    """It may be gone on with, which the ssl module can't forbid, but only while the files are those that it began with."""
    context = station_tls("CS3")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first, _ = await shake(gateway, context)
    assert gateway.certificates.reload()
    assert not (await shake(gateway, context, first))[1]


async def test_plain_http_to_the_port_of_tls(gateway):
    """No answer, not even a refusal: there is no plain door."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    head = f"GET /ocpp/CS1 HTTP/1.1\r\nHost: x\r\nAuthorization: {basic_auth('CS1', PASSWORD)['Authorization']}\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()

    assert not answer.startswith(b"HTTP")
    assert nobody_is_in(gateway)


@pytest.mark.req("A00.FR.321", "A00.FR.424")
def test_neither_renegotiation_nor_compression(gateway):
    """OpenSSL is told to refuse both: who was let in stays who he was."""
    options = gateway.certificates.context.options
    assert options & ssl.OP_NO_RENEGOTIATION
    assert options & ssl.OP_NO_COMPRESSION


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00" + bytes(40)])
async def test_who_stops_in_the_middle_of_tls_is_cut_off(tmp_path, sent):
    """Time is bounded from the first byte: nothing is held for a peer that does not go on."""
    async with tls_gateway(tmp_path, handshake_timeout_s=0.2) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        await gateway.until(lambda: not gateway.server._listener._opening)
        assert nobody_is_in(gateway)


async def test_who_says_nothing_after_tls_is_cut_off(tmp_path):
    """The upgrade request has its own time limit."""
    async with tls_gateway(tmp_path, handshake_timeout_s=0.2) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port, ssl=station_tls())
        async with asyncio.timeout(5):
            assert b"101" not in await reader.read()
        writer.close()
        assert nobody_is_in(gateway)


@pytest.mark.req("A00.FR.405")
async def test_an_unknown_station_with_a_certificate_is_who_the_certificate_says(tmp_path):
    """Where unknown stations are let in, one that shows a certificate is not let in under another's name."""
    async with tls_gateway(tmp_path, unknown_stations="accept") as gateway:
        assert await status_of(gateway.connect("CS9", password=None, ssl=station_tls("CS8"))) == 403
        async with gateway.connect("CS8", password=None, ssl=station_tls("CS8")):
            assert (await gateway.ready("CS8")).context.security_profile == 3


def _self_signed(name: str) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    folder = Path(tempfile.mkdtemp())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(folder / "cert.pem"), str(folder / "key.pem")
