"""The tasks that sessions share."""

import asyncio
from datetime import UTC, datetime

import structlog
from gateway_harness import Gateway, MovedClock, ask

from evhold.gateway.node import Hooks, Node
from evhold.usecases.ports import Overtaken


async def nothing(*args: object) -> None:
    """Do nothing."""


def node() -> Node:
    """A node whose hooks do nothing."""
    hooks = Hooks(
        on_open=nothing, on_closed=nothing, on_heard=lambda context, at: None, on_late=nothing, on_stray=nothing
    )
    return Node(hooks=hooks, clock=MovedClock())


async def test_a_failing_task_harms_nobody_and_is_logged():
    """Its siblings go on, and the log names the failure."""
    tasks, done = node(), asyncio.Event()

    async def fail() -> None:
        raise ValueError

    with structlog.testing.capture_logs() as logs:
        await asyncio.wait([tasks.spawn(fail())])
        tasks.spawn(nothing()).add_done_callback(lambda task: done.set())
        await done.wait()
        await tasks.settle(timeout_s=1)

    assert [entry["event"] for entry in logs] == ["gateway.task-failed"]


async def test_a_task_of_a_connection_that_does_not_count_is_no_fault():
    """The station is another node's by now: a warning."""
    tasks = node()

    async def fail() -> None:
        raise Overtaken("connection 1 of CS1 does not count any more")

    with structlog.testing.capture_logs() as logs:
        await asyncio.wait([tasks.spawn(fail())])
        await tasks.settle(timeout_s=1)

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("gateway.overtaken", "warning")]


async def test_work_that_never_ends_is_cancelled():
    """Settling has a time limit."""
    tasks = node()
    task = tasks.spawn(asyncio.Event().wait())
    with structlog.testing.capture_logs() as logs:
        await tasks.settle(timeout_s=0)

    assert task.cancelled()
    assert [entry["event"] for entry in logs] == ["gateway.work-cancelled"]


async def test_frames_are_logged_masked_when_that_is_asked_for():
    """At DEBUG, with the station's id, and without tokens."""
    async with Gateway() as gateway, gateway.connect() as client:
        gateway.node.log_frames = True
        await gateway.ready()
        with structlog.testing.capture_logs() as logs:
            await ask(client, "Plain", "hello")
            await client.send('[2,"m2","Plain",{"idToken":"AABBCCDD"}]')
            await client.recv()

    assert [entry["event"] for entry in logs if entry["log_level"] == "debug"] == ["frame.in", "frame.out"] * 2
    assert "AABBCCDD" not in str(logs)
    assert gateway.clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
