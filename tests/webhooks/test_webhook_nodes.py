"""Several nodes on one database, and many events to many targets."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter

import pytest
from webhook_stage import Receiver, Stage, by_subject, changed, open_stage

from evhold.domain.webhooks import DeliveryState

EVENTS = 10_000 if os.environ.get("EVHOLD_SOAK") else 1_000
TARGETS, DEAD = 20, 3
RESERVATIONS = 50
ONLY_POSTGRESQL = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
ONLY_SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@ONLY_POSTGRESQL
async def test_nodes_share_the_work_without_doubling(stage: Stage, url: str, receiver: Receiver) -> None:
    """Three nodes: every message came once, in the order of its reservation, and more than one node sent some."""
    others = [await open_stage(url, clock=stage.clock) for _ in range(2)]
    sent: Counter[int] = Counter()
    for number, node in enumerate((stage, *others)):
        plain = node.worker._send

        async def counted(*args, number=number, plain=plain, **more):
            sent[number] += 1
            return await plain(*args, **more)

        node.worker._send = counted  # type: ignore[assignment]
    hooks = [await stage.add(receiver.url(path)) for path in ("a", "b")]
    at = stage.clock.now()
    events = [changed(name, number, at=at) for name in ("accepted", "replaced", "used") for number in range(1, 31)]
    for start in range(0, len(events), 10):
        node = (stage, *others)[start // 10 % 3]
        await node.tell(*events[start : start + 10])
    for hook in hooks:
        await stage.until_state(hook, DeliveryState.DELIVERED, len(events))
    for node in others:
        await node.close()
    assert Counter(one.path for one in receiver.got) == {"/a": len(events), "/b": len(events)}
    for path in ("a", "b"):
        assert len({one.id for one in receiver.at(path)}) == len(events)
        assert all(numbers == sorted(numbers) for numbers in by_subject(receiver.at(path)).values())
    print(f"webhooks of {len(events)} events to 2 targets, sent by node: {dict(sorted(sent.items()))}")
    assert len(sent) > 1


@ONLY_POSTGRESQL
async def test_what_a_dead_node_had_claimed_is_sent_by_another(stage: Stage, url: str, receiver: Receiver) -> None:
    """Once its claim has run out."""
    receiver.answers["a"] = "hang"
    hook = await stage.add(receiver.url("a"))
    await stage.tell(changed("accepted", at=stage.clock.now()))
    await receiver.until_count("a", 1)
    # It dies: nothing that it still knew is stored.
    stage.worker._running.cancel()
    for task in stage.worker._sending:
        task.cancel()
    stage.worker._running = None
    receiver.answers["a"] = 200
    other = await open_stage(url, clock=stage.clock)
    other.move(seconds=21)
    await other.until_state(hook, DeliveryState.DELIVERED)
    assert [one.id for one in receiver.at("a")] == [receiver.at("a")[0].id] * 2
    await other.close()


@ONLY_POSTGRESQL
async def test_one_node_puts_down_and_another_helps_where_it_does_not(
    stage: Stage, url: str, receiver: Receiver
) -> None:
    """Who gave the numbers is at it at once; of the others each looks first, and makes up for a node that died."""
    other = await open_stage(url, clock=stage.clock, is_alone=False)
    written: list[int] = []
    plain = other.worker._storage.transact

    def transact(work):
        if "put_down" in work.__code__.co_names:
            written.append(1)
        return plain(work)

    other.worker._storage.transact = transact  # type: ignore[method-assign]
    hook = await stage.add(receiver.url("a"))

    async def looks(fits):
        async def look():
            return fits()

        await other.until(look)

    await looks(lambda: other.worker._hooks)
    await stage.tell(changed("accepted", 1, at=stage.clock.now()))
    await stage.until_state(hook, DeliveryState.DELIVERED, 1)
    await looks(lambda: other.worker._stored >= 2)
    assert written == []
    # The first one puts nothing down any more.
    stage.worker._running.cancel()
    await stage.tell(changed("accepted", 2, at=stage.clock.now()))
    await other.until_state(hook, DeliveryState.DELIVERED, 2)
    assert written == [1]
    await other.close()


@ONLY_SQLITE
async def test_many_events_to_many_targets_of_which_some_are_dead(stage: Stage, receiver: Receiver) -> None:
    """Every living target got every event, each reservation's in order; the dead ones have theirs still to come."""
    living = [await stage.add(receiver.url(f"t{number}")) for number in range(TARGETS - DEAD)]
    receiver.answers |= {"dead0": 500, "dead1": "cut"}
    dead = [await stage.add(receiver.url(f"dead{number}")) for number in range(DEAD - 1)]
    dead.append(await stage.add("http://127.0.0.1:1/"))
    began = time.perf_counter()
    names = ("accepted", "replaced", "used", "reactivated")
    for start in range(0, EVENTS, 100):
        at = stage.clock.now()
        numbers = range(start, start + 100)
        await stage.tell(*(changed(names[n // RESERVATIONS % 4], n % RESERVATIONS + 1, at=at) for n in numbers))
    put_down = time.perf_counter() - began
    expected = EVENTS * len(living)
    paths = {f"/t{number}" for number in range(len(living))}
    seen: set[tuple[str, str]] = set()

    def all_came() -> bool:
        for one in receiver.got[all_came.looked :]:
            if one.path in paths:
                seen.add((one.path, one.id))
        all_came.looked = len(receiver.got)
        return len(seen) >= expected

    all_came.looked = 0
    async with asyncio.timeout(300 if EVENTS == 1_000 else 3_000), receiver.came:
        await receiver.came.wait_for(all_came)
    seconds = time.perf_counter() - began
    doubled = out_of_order = 0
    for path in sorted(paths):
        came = [one for one in receiver.got if one.path == path]
        doubled += len(came) - len({one.id for one in came})
        told = by_subject(came)
        assert sum(map(len, told.values())) == EVENTS
        assert len(told) == RESERVATIONS
        out_of_order += sum(numbers != sorted(numbers) for numbers in told.values())
    counts = {one.webhook.id: one for one in await stage.calls.all()}
    print(
        f"webhooks: {EVENTS} events to {TARGETS} targets, {DEAD} of them dead: {expected} delivered in {seconds:.1f} s "
        f"({expected / seconds:.0f}/s; committed in {put_down:.1f} s), 0 lost, {doubled} twice, {out_of_order} out of order"
    )
    assert (doubled, out_of_order) == (0, 0)
    assert [counts[one.id].pending for one in dead] == [EVENTS] * DEAD
