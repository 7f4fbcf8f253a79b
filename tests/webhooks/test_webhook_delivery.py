"""Messages to a real receiver: signed, in order, again and again while it does not take them, given up after a day."""

from __future__ import annotations

import asyncio

import pytest
from standardwebhooks.webhooks import Webhook as Judge
from webhook_stage import TAG, Receiver, Stage, changed, presence

from evhold.adapters.webhooks import sender
from evhold.domain.access import Actor
from evhold.domain.events import ConnectorChanged
from evhold.domain.values import ConnectorId, EvseId, IdToken, StationId
from evhold.domain.webhooks import DeliveryState

ONLY_SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


async def test_an_event_is_told_signed(stage: Stage, receiver: Receiver) -> None:
    """An independent judge takes the signature; the body has CloudEvents' names, and the data of /events."""
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", 42, at=stage.clock.now()))
    (message,) = await receiver.until_count("a", 1)
    content = Judge(hook.secret).verify(message.body, message.headers)
    assert content == message.json
    assert sorted(content) == ["data", "id", "source", "specversion", "subject", "time", "type"]
    assert (content["specversion"], content["type"]) == ("1.0", "reservation.accepted")
    assert (content["subject"], content["id"]) == ("reservations/42", message.id)
    assert (content["data"]["reservation"]["id"], content["data"]["cause"]) == (42, None)
    (delivered,) = await stage.until_state(hook, DeliveryState.DELIVERED)
    assert (delivered.attempts, delivered.last_status, delivered.last_error) == (1, 204, None)


async def test_an_altered_body_is_no_message_of_ours(stage: Stage, receiver: Receiver) -> None:
    """Nor is one under another secret: the judge refuses both."""
    hook = await stage.add(receiver.url("a"))
    other = await stage.add(receiver.url("b"))
    await stage.tell(changed("accepted", at=stage.clock.now()))
    (message,) = await receiver.until_count("a", 1)
    for secret, body in ((hook.secret, message.body + b" "), (other.secret, message.body)):
        with pytest.raises(Exception, match="signature"):
            Judge(secret).verify(body, message.headers)


async def test_both_secrets_sign_for_a_day(stage: Stage, receiver: Receiver) -> None:
    """After a rotation the old and the new one are good, after 24 h the new one alone."""
    hook = await stage.add(receiver.url("a"))
    turned = await stage.calls.rotate(hook.id, who=Actor("test"))
    assert turned.secret != hook.secret
    await stage.tell(changed("accepted", at=stage.clock.now()))
    (message,) = await receiver.until_count("a", 1)
    for secret in (hook.secret, turned.secret):
        Judge(secret).verify(message.body, message.headers)
    assert len(message.headers["webhook-signature"].split(" ")) == 2
    stage.move(hours=24)
    await stage.tell(changed("expired", at=stage.clock.now()))
    _, late = await receiver.until_count("a", 2)
    assert len(late.headers["webhook-signature"].split(" ")) == 1


async def test_what_fails_comes_again_with_the_same_id(stage: Stage, receiver: Receiver) -> None:
    """500, then a cut answer, then a redirect, then 200: one id, four attempts, no earlier than 5, 15 and 45 s later."""
    answers = iter([500, "cut", "redirect", 200])
    receiver.answers["a"] = lambda message: next(answers)
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", at=stage.clock.now()))
    for seconds, error in ((5, "HTTP 500"), (15, "RemoteProtocolError"), (45, "HTTP 302")):
        (waiting,) = await stage.until(lambda error=error: _failed(stage, hook, error))
        wait = (waiting.next_at - stage.clock.now()).total_seconds()
        assert seconds - 3 < wait <= seconds * 1.25
        stage.move(seconds=wait + 0.01)
    (done,) = await stage.until_state(hook, DeliveryState.DELIVERED)
    assert len({one.id for one in receiver.at("a")}) == 1
    assert (done.attempts, receiver.at("elsewhere")) == (4, [])


async def _failed(stage: Stage, hook, error: str):
    """Its one delivery, waiting for its next attempt after this error."""
    found = await stage.deliveries(hook)
    return found if found and (found[0].last_error or "").startswith(error) else None


async def test_a_target_that_comes_back_after_an_hour_gets_everything_in_order(
    stage: Stage, receiver: Receiver
) -> None:
    """What happened to a reservation meanwhile waited behind the first that did not get through; others did not."""
    receiver.answers["a"] = 503
    hook = await stage.add(receiver.url("a"))
    for name in ("accepted", "replaced", "canceled"):
        await stage.tell(changed(name, 1, at=stage.clock.now()), changed(name, 2, at=stage.clock.now()))
    await receiver.until_count("a", 2)
    assert {one.json["type"] for one in receiver.at("a")} == {"reservation.accepted"}
    receiver.answers["a"] = 200
    stage.move(hours=1)
    await stage.until_state(hook, DeliveryState.DELIVERED, 6)
    taken = receiver.at("a")[2:]
    for subject in ("reservations/1", "reservations/2"):
        names = [one.json["type"] for one in taken if one.json["subject"] == subject]
        assert names == ["reservation.accepted", "reservation.replaced", "reservation.canceled"]


@ONLY_SQLITE
async def test_after_a_day_it_is_given_up_and_can_be_sent_by_hand(stage: Stage, receiver: Receiver) -> None:
    """The dead letter is listed; the next of its subject goes on; redelivered, it comes with its old id."""
    refused: list[str] = []

    def answer(message):
        refused.append(message.id)
        return 500 if message.id == refused[0] else 200

    receiver.answers["a"] = answer
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", at=stage.clock.now()), changed("canceled", at=stage.clock.now()))
    await receiver.until_count("a", 1)
    while not (dead := await stage.deliveries(hook, DeliveryState.DEAD)):
        await stage.until(lambda: _settled(stage, hook))
        stage.move(hours=2, minutes=30)
    assert 8 <= dead[0].attempts <= 20
    assert dead[0].last_error == "HTTP 500"
    (through,) = await stage.until_state(hook, DeliveryState.DELIVERED)
    assert through.name == "reservation.canceled"
    receiver.answers["a"] = 200
    revived = await stage.calls.redeliver(hook.id, dead[0].number, who=Actor("test"))
    await stage.until_state(hook, DeliveryState.DELIVERED, 2)
    assert receiver.at("a")[-1].id == revived.message_id == refused[0]


async def _settled(stage: Stage, hook):
    """Nothing is under way: what is pending waits for its time, or for another."""
    found = await stage.deliveries(hook, DeliveryState.PENDING)
    return all(one.next_at is None or (one.last_error and one.next_at > stage.clock.now()) for one in found) and (
        not any(stage.worker._busy.values())
    )


async def test_410_ends_it(stage: Stage, receiver: Receiver) -> None:
    """The webhook is off, what waited for it is dead, nothing more is put down; a good test turns it on again."""
    receiver.answers["a"] = 410
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", at=stage.clock.now()), changed("canceled", at=stage.clock.now()))
    dead = await stage.until_state(hook, DeliveryState.DEAD, 2)
    assert {one.last_error for one in dead} == {"HTTP 410", "the target is gone (410)"}
    (told,) = await stage.calls.all()
    assert told.webhook.disabled_at is not None
    assert (told.pending, told.dead) == (0, 2)
    receiver.answers["a"] = 200
    assert (await stage.calls.test(hook.id, who=Actor("test"))).error is None
    await stage.tell(changed("accepted", 2, at=stage.clock.now()))
    await stage.until_state(hook, DeliveryState.DELIVERED)
    assert [one.json["type"] for one in receiver.at("a")] == [
        "reservation.accepted",
        "webhook.test",
        "reservation.accepted",
    ]


@ONLY_SQLITE
async def test_a_target_that_hangs_holds_up_nobody(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are told at once; the attempt ends by its time-out and counts as failed."""
    monkeypatch.setattr(sender, "TIMEOUT_S", 1.0)
    receiver.answers["slow"] = "hang"
    slow, quick = await stage.add(receiver.url("slow")), await stage.add(receiver.url("quick"))
    await stage.tell(*(changed("accepted", number, at=stage.clock.now()) for number in range(1, 41)))
    await stage.until_state(quick, DeliveryState.DELIVERED, 40)
    assert len(receiver.at("slow")) == 8
    assert await stage.deliveries(slow, DeliveryState.DELIVERED) == []
    found = await stage.until(lambda: _failures(stage, slow))
    assert {one.last_error for one in found} == {"no answer within 1 s"}


async def _failures(stage: Stage, hook):
    return [one for one in await stage.deliveries(hook) if one.last_error is not None]


@ONLY_SQLITE
async def test_an_endless_answer_is_not_read(stage: Stage, receiver: Receiver) -> None:
    """After 64 KiB nobody listens; its status was good, so it counts as taken."""
    receiver.answers["a"] = "flood"
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", at=stage.clock.now()))
    (done,) = await stage.until_state(hook, DeliveryState.DELIVERED)
    assert done.attempts == 1


async def test_filters_by_event_station_and_token(stage: Stage, receiver: Receiver) -> None:
    """Each is told what it asked for, and nothing from before it was there."""
    at = stage.clock.now()
    await stage.tell(changed("accepted", 9, at=at))
    await stage.add(receiver.url("ends"), "reservation.canceled", "reservation.ex*")
    await stage.add(receiver.url("station"), station_id="cs2")
    await stage.add(receiver.url("token"), id_token=TAG)
    status = ConnectorChanged(
        at=at,
        station_id=StationId("CS2"),
        evse_id=EvseId(1),
        connector_id=ConnectorId(1),
        status="Reserved",
        since=at,
    )
    other = IdToken("OTHER", "ISO14443")
    await stage.tell(
        changed("accepted", 1, at=at),
        changed("canceled", 2, at=at, cause="requested", token=other),
        presence("CS2", at=at),
        presence("CS3", at=at),
        status,
        changed("expiring", 3, at=at, token=IdToken("aabbccdd", "ISO14443")),
    )
    await receiver.until(lambda: len(receiver.got) >= 6)
    await stage.tell(presence("CS2", at=at, online=False))
    await receiver.until_count("station", 3)
    told = {path: [one.json["type"] for one in receiver.at(path)] for path in ("ends", "station", "token")}
    assert sorted(told["ends"]) == ["reservation.canceled", "reservation.expiring"]
    assert sorted(told["station"]) == ["connector.status", "station.offline", "station.online"]
    assert sorted(told["token"]) == ["reservation.accepted", "reservation.expiring"]


async def test_a_removed_webhook_is_told_nothing(stage: Stage, receiver: Receiver) -> None:
    """What waited for it is gone with it; the next event is put down for the others alone."""
    receiver.answers["a"] = 500
    hook, other = await stage.add(receiver.url("a")), await stage.add(receiver.url("b"))
    await stage.tell(changed("accepted", at=stage.clock.now()))
    await receiver.until_count("a", 1)
    await stage.calls.remove(hook.id, who=Actor("test"))
    stage.move(hours=1)
    await stage.tell(changed("canceled", at=stage.clock.now()))
    await stage.until_state(other, DeliveryState.DELIVERED, 2)
    assert len(receiver.at("a")) == 1
    assert [one.webhook.id for one in await stage.calls.all()] == [other.id]


@ONLY_SQLITE
async def test_retry_after_is_obeyed(stage: Stage, receiver: Receiver) -> None:
    """A target that asks for ten minutes gets them."""
    hook = await stage.add(receiver.url("a"))

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 X\r\nRetry-After: 600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(busy, "127.0.0.1", 0)
    slow = await stage.add(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await stage.tell(changed("accepted", at=stage.clock.now()))
    (waiting,) = await stage.until(lambda: _failed(stage, slow, "HTTP 429"))
    assert 590 < (waiting.next_at - stage.clock.now()).total_seconds() <= 600
    await stage.until_state(hook, DeliveryState.DELIVERED)
    server.close()
