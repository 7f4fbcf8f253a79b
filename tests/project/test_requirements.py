"""The register of requirements, and the page that is made from it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REGISTER = tomllib.loads((ROOT / "docs" / "requirements.toml").read_text(encoding="utf-8"))
BLOCK_H = {
    "H01": (1, 2, 3, 4, 6, 7, 9, 11, 12, 14, 15, 16, 17, 18, 19, 20, 23, 24),
    "H02": range(1, 7),
    "H03": range(1, 11),
    "H04": range(1, 4),
}

pytest_plugins = ["pytester"]


def test_block_h_is_registered_whole_and_without_retired_numbers() -> None:
    """The register has exactly the 37 ids of H01 to H04."""
    expected = {f"{case}.FR.{number:02}" for case, numbers in BLOCK_H.items() for number in numbers}
    assert len(expected) == 37
    assert {name for name in REGISTER if name.startswith("H")} == expected


def test_every_entry_is_whole() -> None:
    """Text, side and duty are there, each a sentence; nothing else but a reason for having no test."""
    for name, entry in REGISTER.items():
        assert re.fullmatch(r"[A-P]\d\d(\.FR\.\d\d\d?)?", name)
        assert {"text", "side", "duty"} <= entry.keys() <= {"text", "side", "duty", "unproven"}, name
        assert entry["side"] in {"csms", "station"}
        assert entry["text"].endswith(".")
        assert entry["duty"].endswith(".")


def test_what_the_csms_must_do_has_no_excuse() -> None:
    """Only a requirement that is the station's alone may go without a test."""
    assert [name for name, entry in REGISTER.items() if entry["side"] == "csms" and "unproven" in entry] == []


@pytest.mark.process
def test_an_unknown_id_stops_the_run(pytester: pytest.Pytester) -> None:
    """A test that claims to prove a requirement that nobody registered is found before any test runs."""
    (pytester.path / "docs").mkdir()
    (pytester.path / "docs" / "requirements.toml").write_text('["H01.FR.01"]\n', encoding="utf-8")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = req(*ids): proves\n")
    tests = pytester.path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    mark = 'import pytest\n\n@pytest.mark.req("H01.FR.01", "H01.FR.05")\ndef test_it():\n    pass\n'
    (tests / "test_it.py").write_text(mark, encoding="utf-8")
    result = pytester.runpytest_subprocess("tests", "-p", "no:playwright", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*test_it: not in docs/requirements.toml: H01.FR.05"])
