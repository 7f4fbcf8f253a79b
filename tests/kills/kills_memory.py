"""What the server has acknowledged, and whether it still knows all of it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from evhold.simulator.client import SimulatedStation

LIVE = ("Pending", "Unconfirmed", "Active")


class Heard:
    """The CALLs of one station that were answered with a CALLRESULT."""

    def __init__(self, station: SimulatedStation) -> None:
        self.station = station
        #: By (EVSE, connector): the newest (timestamp, status).
        self.statuses: dict[tuple[int, int], tuple[datetime, str]] = {}
        #: (transactionId, seqNo) -> reservationId.
        self.events: dict[tuple[str, int], int | None] = {}
        self.told_statuses = 0
        self._asked: dict[str, tuple[str, dict[str, Any]]] = {}
        self._read = 0

    def listen(self) -> None:
        """Take in what was said since the last time."""
        frames = list(islice(self.station.frames, self._read, None))
        self._read += len(frames)
        for sent, text in frames:
            frame = json.loads(text)
            if sent and frame[0] == 2:
                self._asked[frame[1]] = frame[2], frame[3]
            elif not sent and frame[0] == 3 and frame[1] in self._asked:
                self._acknowledged(*self._asked.pop(frame[1]))

    def _acknowledged(self, action: str, payload: dict[str, Any]) -> None:
        if action == "StatusNotification":
            key = payload["evseId"], payload["connectorId"]
            self.told_statuses += 1
            self.statuses[key] = datetime.fromisoformat(payload["timestamp"]), payload["connectorStatus"]
        elif action == "TransactionEvent":
            key = payload["transactionInfo"]["transactionId"], payload["seqNo"]
            self.events[key] = payload.get("reservationId")


class Memory:
    """All that callers and stations were told, held against the API and the database file."""

    def __init__(self, heard: list[Heard]) -> None:
        self.heard = heard
        self.counts: Counter[str] = Counter()
        #: The newest body of each reservation that a 2xx answer carried.
        self.bodies: dict[int, dict[str, Any]] = {}
        #: Those that a DELETE called ended.
        self.ended: set[int] = set()

    def told(self, body: dict[str, Any]) -> None:
        """A 2xx answer carried this reservation."""
        known = self.bodies.get(body["id"])
        assert known is None or known["version"] != body["version"] or known == body, (known, body)
        if known is None or body["version"] > known["version"]:
            self.bodies[body["id"]] = body

    def acknowledged(self) -> Memory:
        """All of it up to now; what is told later is not in it."""
        until_now = Memory(self.heard)
        until_now.bodies, until_now.ended = dict(self.bodies), set(self.ended)
        return until_now

    def check_reservations(self, stored: dict[int, dict[str, Any]]) -> None:
        """Every acknowledged reservation is there, at least as far as it was told, and the same where nothing followed.

        Take ``acknowledged()`` before ``stored`` is read: callers go on meanwhile.
        """
        for reservation_id, body in self.bodies.items():
            now = stored.get(reservation_id)
            assert now is not None, f"lost: {body}"
            assert now["version"] >= body["version"], f"went back: {body} -> {now}"
            assert now["version"] > body["version"] or now == body, f"changed unseen: {body} -> {now}"
            assert reservation_id not in self.ended or now["status"] not in LIVE, f"came back to life: {body} -> {now}"

    def check_statuses(self, station_id: str, shown: dict[tuple[int, int], tuple[datetime, str]]) -> None:
        """Every acknowledged status is there, or a later one."""
        for heard in self.heard:
            if heard.station.id == station_id:
                for key, (stamp, status) in heard.statuses.items():
                    since, now = shown[key]
                    assert now == status or since >= stamp, f"{station_id} {key}: {status} at {stamp} is lost: {now}"

    def check_events(self, database: Path) -> None:
        """Every acknowledged TransactionEvent is folded into its transaction."""
        rows = _rows(database, "SELECT station_id, transaction_id, seen FROM transactions")
        seen = {(row["station_id"], row["transaction_id"]): json.loads(row["seen"]) for row in rows}
        for heard in self.heard:
            for transaction_id, seq_no in heard.events:
                ranges = seen.get((heard.station.id, transaction_id), [])
                assert any(low <= seq_no <= high for low, high in ranges), f"lost: {transaction_id} {seq_no}: {ranges}"

    def check_uses(self, stored: dict[int, dict[str, Any]]) -> None:
        """Every reservation that an acknowledged event named has met its use."""
        for heard in self.heard:
            for reservation_id in filter(None, heard.events.values()):
                assert stored[reservation_id]["status"] == "Used", stored[reservation_id]
                self.counts["uses"] += 1


def check_database(database: Path, stored: dict[int, dict[str, Any]]) -> None:
    """The file is whole; histories have no gap and no double; claims belong to who lives."""
    assert [row[0] for row in _rows(database, "PRAGMA integrity_check")] == ["ok"]
    rows = _rows(database, "SELECT * FROM history ORDER BY reservation_id, seq")
    lives: dict[int, list[sqlite3.Row]] = {}
    for row in rows:
        lives.setdefault(row["reservation_id"], []).append(row)
    assert lives.keys() == stored.keys()
    for reservation_id, life in lives.items():
        assert life[0]["from_state"] is None
        assert all(before["to_state"] == after["from_state"] for before, after in pairwise(life)), [
            tuple(row) for row in life
        ]
        assert life[-1]["to_state"] == stored[reservation_id]["status"]
    for row in _rows(database, "SELECT * FROM claims"):
        holder = stored[row["reservation_id"]]
        assert holder["status"] in LIVE or (holder["status"] == "Used" and not holder["proven"]), holder


def _rows(database: Path, query: str) -> list[sqlite3.Row]:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return connection.execute(query).fetchall()
    finally:
        connection.close()
