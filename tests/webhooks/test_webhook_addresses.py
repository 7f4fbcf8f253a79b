"""Where webhooks may go: public addresses, whatever a name says, and what was opened."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from webhook_stage import LOOPBACK, AheadClock, Receiver, Stage

from evhold.adapters.webhooks.sender import HttpSender
from evhold.domain.errors import InvalidOrder, LimitReached
from evhold.domain.networks import is_allowed, networks_of
from evhold.domain.webhooks import Webhook, secret_of

REFUSED = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "::7f00:1",
    "fec0::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "2001:db8::1",
    "2001:0:808:808::f7f7:f7f7",
    "2600:1::5efe:a00:1",
    "fe80::5efe:a00:1",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
]


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_not_public_are_refused(text: str) -> None:
    """Loopback, private, link-local, metadata, multicast, reserved; and an IPv4 one inside an IPv6 one."""
    assert not is_allowed(ip_address(text), ())


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(text: str) -> None:
    """In every form."""
    assert is_allowed(ip_address(text), ())


def test_what_was_opened_is_allowed() -> None:
    """Only that."""
    opened = networks_of(["10.0.0.0/8", "fd00::/8"])
    allowed = [text for text in REFUSED if is_allowed(ip_address(text), opened)]
    by_ipv4 = ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2600:1::5efe:a00:1", "fe80::5efe:a00:1"]
    assert allowed == ["10.1.2.3", "fd00::1", "fd00:ec2::254", *by_ipv4]


def webhook(url: str) -> Webhook:
    """A webhook that nobody stored."""
    return Webhook(id=1, url=url, events=("*",), secret=secret_of("x"), created_at=AheadClock().now())


async def test_a_name_that_leads_inside_is_not_called(receiver: Receiver) -> None:
    """Nothing is connected to, and the error names the option that opens it."""
    sender = HttpSender(clock=AheadClock())
    outcome = await sender(webhook(f"http://localhost:{receiver.port}/"), message_id="msg_1", body=b"{}")
    assert outcome.status is None
    assert "--webhook-allow" in (outcome.error or "")
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::ffff:127.0.0.1]", "[::1]"]
)
async def test_an_address_in_disguise_is_not_called(receiver: Receiver, host: str) -> None:
    """Decimal, octal, hexadecimal, short, or in IPv6: it is what the system would connect to that is looked at."""
    sender = HttpSender(clock=AheadClock())
    outcome = await sender(webhook(f"http://{host}:{receiver.port}/"), message_id="msg_1", body=b"{}")
    assert outcome.status is None
    assert outcome.error
    assert receiver.connections == 0


async def test_a_port_of_another_service_is_not_called() -> None:
    """A mail server of the public internet gets no message of ours; in networks that were opened every port may be meant."""

    async def resolve(host: str, port: int):
        return [ip_address("8.8.8.8")]

    sender = HttpSender(clock=AheadClock(), resolve=resolve)
    for port in (22, 25, 587, 1023):
        outcome = await sender(webhook(f"http://mail.example:{port}/"), message_id="msg_1", body=b"{}")
        assert outcome.error == f"webhooks may not call port {port} of public addresses"


async def test_a_name_is_looked_up_once_for_look_and_call(receiver: Receiver) -> None:
    """A name server that tells another address a moment later changes nothing; the name is still the Host."""
    answers = iter([[ip_address("10.9.9.9"), ip_address("127.0.0.1")], [ip_address("10.9.9.9")]])

    async def resolve(host: str, port: int):
        return next(answers)

    sender = HttpSender(clock=AheadClock(), opened=LOOPBACK, resolve=resolve)
    target = webhook(f"http://hooks.example:{receiver.port}/a")
    assert (await sender(target, message_id="msg_1", body=b"{}")).error is None
    assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert "10.9.9.9" in ((await sender(target, message_id="msg_1", body=b"{}")).error or "")
    assert receiver.connections == 1
    await sender.close()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.org/",
        "http:///path",
        "https://",
        "http://10.0.0.1/",
        "http://[::1]:80/",
        "http://169.254.169.254/latest/meta-data",
        "http://user:word@example.org/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "https://example.org/#part",
        "https://example.org/" + "x" * 2000,
    ],
)
async def test_bad_urls_are_refused(stage: Stage, address: str) -> None:
    """Before they are stored."""
    with pytest.raises(InvalidOrder):
        await stage.add(address)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_globs_that_fit_nothing_are_refused_and_a_hundred_are_enough(stage: Stage) -> None:
    """A typing mistake would never be noticed; each webhook costs work."""
    with pytest.raises(InvalidOrder, match=r"reservations\.\*"):
        await stage.add("https://example.org/", "reservations.*")
    for number in range(100):
        await stage.add(f"https://example.org/{number}", "station.*")
    with pytest.raises(LimitReached, match="--webhooks-kept 100"):
        await stage.add("https://example.org/")
