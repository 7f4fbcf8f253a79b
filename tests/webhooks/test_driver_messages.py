"""Messages to drivers: by mail to a local SMTP server, and to a local web address; not of what they did themselves."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default as policy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from webhook_stage import LOOPBACK, TAG, AheadClock, Receiver, Stage, changed, open_stage, presence

from evhold.adapters import notify
from evhold.adapters.notify import Notifier
from evhold.adapters.webhooks import worker
from evhold.adapters.webhooks.sender import resolve
from evhold.domain.access import Actor
from evhold.domain.errors import InvalidOrder, NotifyNotInstalled
from evhold.domain.events import TOLD, ReservationChanged
from evhold.domain.reservation import State, Transition
from evhold.domain.station import Station
from evhold.domain.transitions import Step, created
from evhold.domain.values import By, Heard, StationId
from evhold.domain.webhooks import Delivery
from evhold.outward import driver_messages
from evhold.usecases.deliveries import Scribe, put_down
from evhold.usecases.ports import Told
from evhold.usecases.provision import TokenOrder, put_token
from evhold.usecases.signing import Signer
from evhold.usecases.stores import Tx
from evhold.web.links import link_of

MOVES, LOOK_S = 200, 0.05
SIGNER = Signer("the secret of the tests")


class Mailbox:
    """What an SMTP server was given."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.came = asyncio.Event()

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        """A mail is taken."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy))
        self.came.set()
        return "250 OK"

    async def until_mail(self) -> Mail:
        """The newest."""
        async with asyncio.timeout(20):
            await self.came.wait()
        self.came.clear()
        return self.mails[-1]


@pytest.fixture
async def mailbox() -> AsyncIterator[tuple[Mailbox, str]]:
    """An SMTP server, and apprise's URL of a driver behind it."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield box, f"mailto://127.0.0.1:{port}?to=driver@example.org&from=evhold@example.org"
    server.close()


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[Stage]:
    """A node with the extra, and station CS1."""
    notifier = Notifier(opened=LOOPBACK, resolve=resolve)
    made = await open_stage(
        f"sqlite:///{tmp_path}/evhold.db", send_to_driver=notifier, to_driver=driver_messages(SIGNER)
    )
    await made.storage.transact(lambda tx: tx.stations.put(Station(id=StationId("CS1"))))
    yield made
    await made.close()


async def happen(stage: Stage, name: str, *, by: By = By.OPERATOR, cause: str | None = None, **more: Any) -> int:
    """A reservation was made by this one, and then this happened to it; its id."""

    def work(tx) -> int:
        at = stage.clock.now()
        plain = changed(name, int(tx.reservations.next_id()), at=at, state=State.PENDING).reservation
        plain = replace(plain, terms=replace(plain.terms, evse_id=None), **more)
        tx.reservations.insert(created(plain, Heard(at=at, by=by)))
        if name == "replaced":
            ordered = Transition(
                from_state=State.ACTIVE,
                to_state=State.ACTIVE,
                fact="ReplaceOrdered",
                row=47,
                cause=None,
                by=by,
                at=at,
            )
            tx.reservations.save(Step(reservation=plain, transition=ordered, changed=False))
        tx.outbox.add(ReservationChanged(name=f"reservation.{name}", at=at, cause=cause, reservation=plain))
        return plain.id

    return await stage.storage.transact(work)


async def provided(stage: Stage, order: TokenOrder) -> None:
    """This token is provisioned, as by the API."""
    await put_token(order, who=Actor("test"), storage=stage.storage, clock=stage.clock)


async def test_nothing_is_written_while_no_driver_has_an_address(
    telling: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither their reservations nor any token say where to tell them, so that their events need no transaction."""
    batches: list[list[tuple[str, ...]]] = []

    def noted(tx: Tx, told: Sequence[Told], *, scribe: Scribe) -> int:
        batches.append([one.event.reservation.notify for one in told if isinstance(one.event, ReservationChanged)])
        return put_down(tx, told, scribe=scribe)

    monkeypatch.setattr(worker, "put_down", noted)
    heard = telling.bus.follow(after=None)
    await provided(telling, TokenOrder(id_token=TAG))
    for _ in range(3):
        await happen(telling, "removed", cause="unknown-at-station")
        await anext(heard)
        await asyncio.sleep(0)
    await happen(telling, "failed", notify=(f"json://127.0.0.1:{receiver.port}/a",))
    await receiver.until_count("a", 1)
    assert batches
    assert all(any(batch) for batch in batches)


async def test_a_mail_with_the_link_reaches_the_driver(telling: Stage, mailbox: tuple[Mailbox, str]) -> None:
    """Title as subject, the place, the time, and the driver link on a line of its own."""
    box, url = mailbox
    number = await happen(telling, "expiring", notify=(url,), link_base="https://evhold.example/")
    mail = await box.until_mail()
    assert (mail["Subject"], mail["To"]) == ("Your reservation ends soon", "driver@example.org")
    body = mail.get_body(("plain", "html"))
    assert body is not None
    text = body.get_content()
    assert "a free EVSE at CS1 is held for you until" in text
    assert f"https://evhold.example/d/{link_of(number, signer=SIGNER)}" in text


async def test_a_web_address_of_the_token_is_told(telling: Stage, receiver: Receiver) -> None:
    """Without addresses of its own, a reservation's driver is told at those of the token; what fails comes again."""
    answers = iter([500, 200])
    receiver.answers["a"] = lambda message: next(answers)
    await happen(telling, "removed", cause="unknown-at-station")
    await provided(telling, TokenOrder(id_token=TAG, notify=(f"json://127.0.0.1:{receiver.port}/a",)))
    await happen(telling, "removed", cause="unknown-at-station")
    await receiver.until_count("a", 1)
    for _ in range(MOVES):
        # Not faster than the worker: a day moved in a moment would make a dead letter of it.
        if len(receiver.at("a")) == 2:
            break
        telling.move(seconds=7)
        await asyncio.sleep(LOOK_S)
    told = json.loads(receiver.at("a")[1].body)
    assert told["title"] == "Your reservation is lost"
    assert "does not hold a free EVSE for you any more" in told["message"]
    assert not any(word in told["message"].lower() for word in ("fault", "out of order", "broken"))


@pytest.mark.parametrize(
    ("name", "by", "more", "is_told"),
    [
        ("accepted", By.DRIVER, {}, False),
        ("accepted", By.OPERATOR, {}, True),
        ("replaced", By.DRIVER, {}, False),
        ("replaced", By.OPERATOR, {}, True),
        ("canceled", By.OPERATOR, {"cancel_requested_by": By.DRIVER}, False),
        ("canceled", By.DRIVER, {"cancel_requested_by": By.OPERATOR}, True),
        ("used", By.DRIVER, {"proven": True}, False),
        ("used", By.DRIVER, {"proven": False}, True),
        ("expired", By.DRIVER, {}, True),
        ("expiring", By.DRIVER, {}, True),
    ],
)
async def test_a_driver_is_not_told_what_they_did(
    telling: Stage, receiver: Receiver, name: str, by: By, more: dict[str, Any], is_told: bool
) -> None:
    """Only the end that follows is told in any case."""
    url = (f"json://127.0.0.1:{receiver.port}/a",)
    await happen(telling, name, by=by, notify=url, **more)
    await happen(telling, "failed", notify=url)
    await receiver.until(lambda: any("could not be asked" in one.body.decode() for one in receiver.got))
    expected = 2 if is_told else 1
    await receiver.until_count("a", expected)
    assert len(receiver.got) == expected


async def test_who_has_no_address_is_told_nothing(telling: Stage, receiver: Receiver) -> None:
    """Neither is anybody of a station."""
    await happen(telling, "expired")
    await telling.tell(presence("CS1", at=telling.clock.now()))
    await happen(telling, "failed", notify=(f"json://127.0.0.1:{receiver.port}/a",))
    await receiver.until_count("a", 1)
    assert len(receiver.got) == 1


def test_every_event_of_a_reservation_has_a_text() -> None:
    """And each fills in."""
    texts = driver_messages(SIGNER).texts
    assert {name for name in TOLD if name.startswith("reservation.")} <= set(texts)
    for one in texts.values():
        filled = f"{one.title} {one.text}".format_map(dict.fromkeys(("id", "station", "place", "until", "link"), "x"))
        assert "{" not in filled


@pytest.mark.parametrize(
    "addresses",
    [
        ["no address"],
        ["syslog://"],
        ["json://10.0.0.1/"],
        ["mailto://169.254.169.254?to=a@example.org&from=b@example.org"],
        ["json://example.org/"] * 6,
        ["json://example.org/" + "x" * 500],
    ],
)
def test_addresses_that_lead_nowhere_or_inside_are_refused(addresses: list[str]) -> None:
    """This machine and private networks are no driver."""
    with pytest.raises(InvalidOrder):
        Notifier(opened=(), resolve=resolve).check(addresses)


async def test_a_name_that_leads_inside_is_not_sent_to(receiver: Receiver) -> None:
    """Looked up before each message."""
    notifier = Notifier(opened=(), resolve=resolve)
    body = json.dumps({"address": f"json://localhost:{receiver.port}/", "title": "t", "text": "x"})
    delivery = changed_delivery(body)
    assert "--webhook-allow" in ((await notifier(delivery)).error or "")
    assert receiver.connections == 0


def changed_delivery(body: str) -> Any:
    """A message to a driver."""
    from webhook_stage import AheadClock

    from evhold.domain.webhooks import DRIVERS, Delivery

    return Delivery(webhook_id=DRIVERS, message_id="m", name="n", subject="s", body=body, created_at=AheadClock().now())


def test_an_absent_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is led to believe that a driver will be told."""
    monkeypatch.setattr(notify, "is_installed", lambda: False)
    notifier = Notifier(opened=(), resolve=resolve)
    notifier.check([])
    with pytest.raises(NotifyNotInstalled, match=r"evhold\[notify\]"):
        notifier.check(["json://example.org/"])


def to_driver(address: str) -> Delivery:
    """One message."""
    body = json.dumps({"address": address, "title": "t", "text": "x"})
    return Delivery(
        number=1, webhook_id=0, message_id="m", name="n", subject="s", created_at=AheadClock().now(), body=body
    )


async def test_a_service_that_redirects_is_not_followed(receiver: Receiver) -> None:
    """Whatever the URL asks for: the one who answers by a redirect has not taken the message."""
    receiver.answers["driver"] = "redirect"
    notifier = Notifier(opened=LOOPBACK, resolve=resolve)
    outcome = await notifier(to_driver(f"json://127.0.0.1:{receiver.port}/driver?redirect=yes"))
    assert outcome.error is not None
    assert [one.path for one in receiver.got] == ["/driver"]
    assert receiver.connections == 1


async def test_a_name_that_leads_elsewhere_at_the_connect_is_not_called(receiver: Receiver) -> None:
    """The look-up said a public address, the socket would go to loopback: it does not."""

    async def public(host: str, port: int):
        return [ip_address("8.8.8.8")]

    notifier = Notifier(opened=(), resolve=public)
    outcome = await notifier(to_driver(f"json://localhost:{receiver.port}/driver"))
    assert outcome.error is not None
    assert receiver.connections == 0
    # Only of that thread: others connect as ever.
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5):
        pass
