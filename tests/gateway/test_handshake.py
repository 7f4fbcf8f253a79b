"""Who gets in, and what the others are told."""

import asyncio
import json

import pytest
import uvloop
import websockets
from gateway_harness import PASSWORD, Gateway, ask
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus

from evhold.usecases.ports import Overtaken


async def refusal(connecting) -> websockets.Response:
    """The HTTP answer of a handshake that fails."""
    with pytest.raises(InvalidStatus) as refused:
        await connecting
    return refused.value.response


async def test_the_gateway_is_tested_on_uvloop(gateway):
    """The loop under these tests is the one of production."""
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)


async def test_a_provisioned_station_gets_in(gateway):
    """The right password opens the socket, with the subprotocol that was asked for."""
    async with gateway.connect() as client:
        assert client.subprotocol == "ocpp2.0.1"
        assert await ask(client, "Plain", "hello") == [3, "m1", {"text": "hello"}]


async def test_a_station_id_compares_without_case(gateway):
    """The session carries the id as it was provisioned, however the station writes it."""
    async with gateway.connect("cs1"):
        session = await gateway.ready("cS1")

        assert session.context.station_id == "CS1"


async def test_a_provisioned_id_with_a_space_gets_in(gateway):
    """The path is percent-decoded, and a space in a provisioned id is accepted."""
    async with gateway.connect("With Space"):
        assert (await gateway.ready("with space")).context.station_id == "With Space"


async def test_an_unknown_station_is_not_found(gateway):
    """A station that nobody provisioned gets 404."""
    assert (await refusal(gateway.connect("CS9"))).status_code == 404


@pytest.mark.parametrize("station", ["", "CS1/x", "CS%3A1", "C" * 49, "CS%ff1", "CS1%"])
async def test_a_bad_id_is_not_found(station):
    """An id that breaks the alphabet or is too long gets 404, even when unknown stations are let in."""
    async with Gateway(unknown_stations="accept") as welcoming:
        assert (await refusal(welcoming.connect(station))).status_code == 404


async def test_an_unknown_station_gets_in_where_that_is_allowed():
    """It is marked as not provisioned, and needs no password."""
    async with Gateway(unknown_stations="accept") as gateway, gateway.connect("CS9", password=None):
        assert not (await gateway.ready("CS9")).context.provisioned


@pytest.mark.parametrize(("user", "password"), [("CS1", "wrong"), ("CS2", PASSWORD), ("CS1", None), ("CS1", "")])
async def test_wrong_credentials_are_challenged(gateway, user, password):
    """A wrong password, another station's name, or none: 401, with the scheme to use."""
    response = await refusal(gateway.connect(user=user, password=password))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("subprotocols", [(), ("ocpp1.6", "ocpp9")])
async def test_no_common_subprotocol_completes_and_closes(gateway, subprotocols):
    """OCPP-J: the handshake completes without a subprotocol, and the socket is closed at once."""
    client = await gateway.connect(subprotocols=subprotocols)
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()

    assert client.subprotocol is None
    assert closed.value.rcvd.code == 1002
    assert len(gateway.registry) == 0


async def test_the_known_one_of_several_subprotocols_is_chosen(gateway):
    """The client's order decides among those that are known."""
    async with gateway.connect(subprotocols=("ocpp2.1", "ocpp2.0.1")) as client:
        assert client.subprotocol == "ocpp2.0.1"


async def test_too_many_stations_are_sent_away():
    """Beyond the limit: 503; a station that is already connected may still replace itself."""
    async with Gateway(max_stations=1) as gateway, gateway.connect("CS1"):
        await gateway.ready()
        response = await refusal(gateway.connect("CS2"))
        async with gateway.connect("CS1") as again:
            assert await ask(again, "Plain") == [3, "m1", {"text": ""}]

    assert response.status_code == 503
    assert "Retry-After" in response.headers


async def test_a_connection_header_with_several_words_is_accepted(gateway):
    """HTTP allows `Connection: keep-alive, Upgrade`."""
    _, writer, head = await gateway.raw()
    writer.close()

    assert head.startswith(b"HTTP/1.1 101 ")


async def test_an_unreadable_request_ends_only_itself(gateway):
    """Garbage instead of HTTP: 400 or nothing, and others go on."""
    async with gateway.connect() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        writer.write(b"\x16\x03\x01 garbage\r\n\r\n")
        answer = await reader.read()
        writer.close()

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert await ask(client, "Plain") == [3, "m1", {"text": ""}]


async def test_the_failure_of_a_look_up_tells_the_peer_nothing(gateway):
    """Our own fault in the handshake is 500 without its text."""
    gateway.credentials.failure = LookupError("a secret of ours")
    response = await refusal(gateway.connect())

    assert response.status_code == 500
    assert b"secret" not in response.body


async def test_the_negotiated_extension_is_named(gateway):
    """The response names permessage-deflate without context takeover."""
    _, writer, head = await gateway.raw(extra="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    writer.close()

    assert b"permessage-deflate; server_no_context_takeover; client_no_context_takeover" in head


async def test_frames_right_behind_the_handshake_are_served(gateway):
    """What a hasty station sends before its context is loaded waits, and is answered."""
    gateway.opening.clear()
    async with gateway.connect() as client:
        await client.send('[2,"m1","Plain",{"text":"early"}]')
        await gateway.until(lambda: gateway.node.counters.frames_in)
        assert gateway.node.counters.frames_out == 0
        gateway.opening.set()

        assert json.loads(await client.recv()) == [3, "m1", {"text": "early"}]


@pytest.mark.parametrize(
    ("failure", "logged"),
    [
        (OSError("no database"), ("gateway.task-failed", "error")),
        (Overtaken("no lease"), ("station.not-opened", "warning")),
    ],
)
async def test_a_context_that_cannot_be_loaded_ends_the_socket(gateway, failure, logged):
    """A failing on_open closes with 1011, and on_closed is not told; a node without a lease is no fault."""
    gateway.open_failure = failure
    with capture_logs() as logs:
        client = await gateway.connect()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        await gateway.until(lambda: not len(gateway.registry))

    assert closed.value.rcvd.code == 1011
    assert ("closed", "CS1") not in gateway.told
    assert logged in [(one["event"], one["log_level"]) for one in logs]


async def test_a_socket_that_never_asks_is_dropped():
    """A TCP connection without a handshake ends after its time limit."""
    async with Gateway(handshake_timeout_s=0.01) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)

        assert await reader.read() == b""
        writer.close()


async def test_a_storm_is_let_in_at_a_pace():
    """Beyond the rate: 503 with a time to come again; who is in stays in."""
    async with Gateway(accepts_per_second=1.0) as gateway, gateway.connect("CS1") as client:
        response = await refusal(gateway.connect("CS2"))
        assert await ask(client, "Plain") == [3, "m1", {"text": ""}]

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_drained_node_sends_everybody_on_and_lets_nobody_in():
    """1001, one after the other; the listener is still there to say so."""
    async with Gateway() as gateway, gateway.connect("CS1") as one, gateway.connect("CS2") as other:
        await gateway.ready("CS1")
        await gateway.ready("CS2")
        await gateway.server.drain(0.01)
        codes = []
        for client in (one, other):
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            codes.append(closed.value.rcvd.code)
        response = await refusal(gateway.connect("CS1"))

    assert codes == [1001, 1001]
    assert response.status_code == 503


async def test_a_guesser_is_told_to_wait_and_a_station_is_not(gateway):
    """Twenty wrong passwords a minute of one address are answered 401, then 429; the right one gets in all the same."""
    answers = [await refusal(gateway.connect(password="wrong-" * 4)) for _ in range(22)]
    assert [one.status_code for one in answers] == [401] * 20 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "3"
    async with gateway.connect() as client:
        assert await ask(client, "Plain", "hello") == [3, "m1", {"text": "hello"}]
    assert gateway.failures.counts == {"station": 22}
