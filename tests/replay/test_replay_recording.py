"""recording: the files are read whole, and their times move into the present in their order."""

from datetime import UTC, datetime, timedelta

import pytest
from replay_recording import FOLDER, Timeline, load, parse
from replay_wire import validator

NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
THEN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def after(start: datetime, seconds: float) -> datetime:
    """So many seconds later."""
    return start + timedelta(seconds=seconds)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_calls_are_valid(name: str) -> None:
    """Every recorded CALL of a station is valid by the official schemas: what fails in a replay is ours."""
    calls = [line.frame for line in load(name).lines if line.from_station and line.frame[0] == 2]
    for _, _, action, payload in calls:
        validator(f"{action}Request").validate(payload)
    assert calls[0][2] == "BootNotification"


def test_there_are_ten_recordings() -> None:
    """None got lost."""
    assert len(NAMES) == 10


def test_times_between_two_moments_move_in_proportion() -> None:
    """Ten recorded seconds became one: half of them is half of it; the moments themselves are exact."""
    line = Timeline([(THEN, NOW), (after(THEN, 10), after(NOW, 1))])
    assert [after(NOW, 0), after(NOW, 0.5), after(NOW, 1)] == [line.moved(after(THEN, n)) for n in (0, 5, 10)]


def test_times_outside_move_as_they_are() -> None:
    """Before the first moment and after the last one the distance is kept."""
    line = Timeline([(THEN, NOW), (after(THEN, 10), after(NOW, 1))])
    assert after(NOW, -60) == line.moved(after(THEN, -60))
    assert after(NOW, 3) == line.moved(after(THEN, 12))


def test_every_date_time_of_a_payload_moves() -> None:
    """In lists and objects; other text stays."""
    line = Timeline([(THEN, NOW)])
    moved = line.move_all({"a": [{"at": "2026-01-01T00:00:01.500Z"}], "text": "2026", "n": 1})
    assert moved == {"a": [{"at": "2027-01-01T00:00:01.500Z"}], "text": "2026", "n": 1}
    assert parse(moved["a"][0]["at"]) == after(NOW, 1.5)
