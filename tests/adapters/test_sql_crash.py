"""A process killed in the middle of writing has lost nothing that it acknowledged."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import open_storage
from evhold.domain.authorization import Token
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged
from evhold.domain.values import IdToken

async def main():
    clock = SystemClock()
    storage = open_storage(sys.argv[1], clock=clock)
    recorder = SqlRecorder(storage, now=clock.now)
    async def write(lane):
        for n in range(1_000_000):
            name = f"{lane}-{n}"
            await storage.transact(lambda tx: tx.tokens.put(Token(id_token=IdToken(name, "Local"))))
            now = clock.now()
            known = Connector(station_id=name, evse_id=1, connector_id=1, status="Available", since=now)
            told = ConnectorChanged(at=now, station_id=name, evse_id=1, connector_id=1, status="Available", since=now)
            await recorder.connector(known, told)
            print(name, flush=True)
    await asyncio.gather(*(write(lane) for lane in range(20)))

asyncio.run(main())
"""


@pytest.mark.process
def test_acknowledged_rows_survive_a_kill(tmp_path: Path) -> None:
    """Token, connector and event of every acknowledged name are there, and the file is sound."""
    path = tmp_path / "evhold.db"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(500)]
    writer.send_signal(signal.SIGKILL)
    # What it had still said before it died counts too; its last line may be half a word.
    acknowledged += [line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for query in (
        "SELECT id_token FROM tokens",
        "SELECT station_id FROM connectors",
        "SELECT station_id FROM outbox",
    ):
        assert set(acknowledged) <= {row[0] for row in connection.execute(query)}
    connection.close()
