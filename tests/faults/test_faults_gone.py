"""The database file is gone for a while, and the disk is full for a while."""

import asyncio
import os
import resource

import pytest
from faults_stage import DRIVER, events, online, rows, station_of, until, until_ready

from csms import Csms

SUFFIXES = {"file": ("",), "file-and-log": ("", "-wal", "-shm")}


@pytest.mark.parametrize("what", sorted(SUFFIXES))
async def test_a_file_that_is_moved_away_and_back(node, station, what):
    """Nothing is written elsewhere meanwhile; what was acknowledged is there, what waited is stored."""
    one = await station("MOVED")
    reserved = (await node.reserve("MOVED", evseId=1)).json()
    names = [f"{node.database}{suffix}" for suffix in SUFFIXES[what] if os.path.exists(f"{node.database}{suffix}")]
    for name in names:
        os.rename(name, f"{name}.away")
    using = asyncio.create_task(one.plug_in(2))
    await until_ready(node, 503)
    answer = await node.reserve("MOVED", evseId=2)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    await until(lambda: not one.is_connected)
    await using
    assert not node.database.exists()
    for name in names:
        os.rename(f"{name}.away", name)
    await until_ready(node, 200)
    await one.online()
    assert await node.reservation(reserved["id"]) == reserved
    await node.until_connectors("MOVED", {(1, 1): "Reserved", (2, 1): "Occupied"})
    await one.present(1, DRIVER)
    await one.plug_in(1)
    await node.until(reserved["id"], "Used")
    assert set(events(one, answered=False)) == set(events(one, answered=True))
    assert rows(node, "PRAGMA integrity_check") == [("ok",)]


class SmallDisk:
    """The server can't write beyond this many bytes of any file, until it is lifted."""

    def __init__(self, server: Csms, size: int) -> None:
        assert server.process is not None
        self._pid = server.process.pid
        self._before = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (size, self._before[1]))

    def lift(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)


def sizes(server):
    """Of database and log."""
    return [os.path.getsize(f"{server.database}{suffix}") for suffix in ("", "-wal")]


@pytest.mark.process
@pytest.mark.parametrize("room", ["none", "a little"])
async def test_a_full_disk_is_waited_out(tmp_path, room):
    """Answers wait, callers are told; with room again all goes on, nothing half done, and the file is whole."""
    server = Csms(tmp_path)
    await server.start()
    try:
        async with station_of(server, "FULL", faulty={"answer_delay": {"ReserveNow": 0.3}}) as one:
            await online(server, one)
            reserved = (await server.reserve("FULL", evseId=1)).json()
            task = asyncio.create_task(server.reserve("FULL", evseId=2))
            await until(lambda: rows(server, "SELECT count(*) FROM reservations") == [(2,)])
            disk = SmallDisk(server, 8192 if room == "none" else max(sizes(server)) + 8192)
            using = asyncio.create_task(one.present(1, DRIVER))
            plugging = asyncio.create_task(one.plug_in(1))
            if room == "none":
                await until_ready(server, 503)
                answer = await server.reserve("FULL", connectorType="cCCS2")
                assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
                assert events(one, answered=True) == []
                assert rows(server, "SELECT status FROM reservations ORDER BY 1") == [("Active",), ("Pending",)]
                assert not task.done()
            disk.lift()
            await until_ready(server, 200)
            answer = await task
            assert (answer.status_code, answer.json()["status"]) == (201, "Active")
            await asyncio.gather(using, plugging)
            await server.until(reserved["id"], "Used")
            await one.settled()
            sent = events(one, answered=False)
            assert sent == events(one, answered=True)
            assert len(rows(server, "SELECT * FROM reservations")) == 2
        assert await server.stop() == 0
        assert "Traceback" not in "\n".join(server.output)
        assert rows(server, "PRAGMA integrity_check") == [("ok",)]
    finally:
        await server.close()


@pytest.mark.process
async def test_a_disk_that_stays_full(tmp_path):
    """After 20 s stations are sent away with their events unanswered; with room again they come back and tell all."""
    server = Csms(tmp_path)
    await server.start()
    try:
        async with station_of(server, "LONG") as one:
            await online(server, one)
            reserved = (await server.reserve("LONG", evseId=1)).json()
            disk = SmallDisk(server, 8192)
            using = [asyncio.create_task(work) for work in (one.present(1, DRIVER), one.plug_in(1))]
            await until_ready(server, 503)
            await until(lambda: not one.is_connected, wait_s=40)
            assert events(one, answered=True) == []
            disk.lift()
            await until_ready(server, 200)
            await one.online()
            await asyncio.gather(*using)
            await server.until(reserved["id"], "Used")
            await one.settled()
            assert {event[:2] for event in events(one, answered=False)} == {
                event[:2] for event in events(one, answered=True)
            }
        assert await server.stop() == 0
        assert rows(server, "PRAGMA integrity_check") == [("ok",)]
    finally:
        await server.close()
