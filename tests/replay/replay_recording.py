"""A recording as it lies in recordings/: lines, cases, what the station knew, and its times moved into the present."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recordings"
CALL, CALLRESULT, CALLERROR = 2, 3, 4
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass(frozen=True)
class Line:
    """One frame on the recorded wire. ``number`` counts the lines of the file from 1."""

    number: int
    at: datetime
    from_station: bool
    frame: list[Any]


@dataclass
class Case:
    """What was played under one note; the frames before the first note have the empty one."""

    note: str
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """One file."""

    name: str
    station_id: str
    cases: list[Case]

    @property
    def lines(self) -> list[Line]:
        """All frames, in their order."""
        return [line for case in self.cases for line in case.lines]

    def index_of(self, key: str) -> int:
        """Where the one case stands whose note begins so; the empty key is what comes before the first note."""
        fits = [n for n, case in enumerate(self.cases) if case.note == key or (key and case.note.startswith(key + " "))]
        assert len(fits) == 1, f"{self.name}: {len(fits)} cases begin with {key!r}"
        return fits[0]

    def variables(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The station's answers to GetVariables, by (component, variable)."""
        return {
            (result["component"]["name"], result["variable"]["name"]): result
            for line in self.lines
            if line.from_station and line.frame[0] == CALLRESULT
            for result in line.frame[2].get("getVariableResult", ())
        }


def load(name: str) -> Recording:
    """The recording of that name."""
    cases, station_id = [Case("")], ""
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        row = json.loads(line)
        if "note" in row:
            cases.append(Case(row["note"]))
        else:
            station_id = row["station"]
            cases[-1].lines.append(Line(number, parse(row["t"]), row["dir"] == "CS->CSMS", row["frame"]))
    return Recording(name, station_id, cases)


def parse(text: str) -> datetime:
    """A dateTime of the wire."""
    return datetime.fromisoformat(text)


def spell(at: datetime) -> str:
    """A dateTime for the wire: UTC, at most three decimals."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Timeline:
    """When recorded moments were really played. Waits are shortened, but the order of all moments is kept."""

    played: list[tuple[datetime, datetime]] = field(default_factory=list)

    def mark(self, recorded: datetime, now: datetime) -> None:
        """This recorded moment is played now; moments are marked in their order."""
        self.played.append((recorded, now))

    def moved(self, stamp: datetime) -> datetime:
        """The present one of a recorded time: between the moments that were played around it, in proportion."""
        later = next((n for n, (recorded, _) in enumerate(self.played) if recorded >= stamp), None)
        if later is None:
            recorded, real = self.played[-1]
            return real + (stamp - recorded)
        (recorded, real), (before, really_before) = self.played[later], self.played[later - 1]
        if later == 0 or recorded == stamp:
            return real - (recorded - stamp)
        return really_before + (real - really_before) * ((stamp - before) / (recorded - before))

    def move_all(self, value: Any) -> Any:
        """The JSON value with every dateTime in it moved."""
        if isinstance(value, dict):
            return {name: self.move_all(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.move_all(one) for one in value]
        if isinstance(value, str) and _DATE_TIME.fullmatch(value):
            return spell(self.moved(parse(value)))
        return value
