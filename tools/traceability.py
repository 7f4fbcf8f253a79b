"""Write docs/traceability.md: each requirement, its side, and the tests that prove it.

The tests are found by collecting them; nothing is run. The check stops on a stale page, on an id without a test or a
reason, and on a reason that a test has overtaken.

Usage: python tools/traceability.py [--check]
"""

from __future__ import annotations

import contextlib
import io
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REGISTER = ROOT / "docs" / "requirements.toml"
PAGE = ROOT / "docs" / "traceability.md"
HEADER = """# Requirements and the tests that prove them

Made by `make docs` from `docs/requirements.toml` and the tests marked `@pytest.mark.req`. Do not edit.

`csms`: the CSMS has to do something for it. `station`: only the Charging Station has.
"""


class Collector:
    """A pytest plugin that gathers which test proves which requirement."""

    def __init__(self) -> None:
        self.proofs: dict[str, set[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Read the marks of every collected test; the cases of one test function count once."""
        for item in session.items:
            test = item.nodeid.split("[")[0]
            for mark in item.iter_markers("req"):
                for requirement in mark.args:
                    self.proofs.setdefault(requirement, set()).add(test)


def collect() -> dict[str, set[str]]:
    """Return the tests of every requirement id; ends the program when a test file cannot be read."""
    collector, output = Collector(), io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(f"traceability: the tests cannot be collected\n{output.getvalue()}")
    return collector.proofs


def section(requirement: str, entry: dict[str, str], tests: set[str]) -> str:
    """Return one requirement as Markdown."""
    lines = [f"### {requirement} ({entry['side']})", "", entry["text"], "", f"The CSMS: {entry['duty']}", ""]
    lines += [f"- `{test.removeprefix('tests/')}`" for test in sorted(tests)]
    lines += [f"- no test: {entry['unproven']}"] if not tests and "unproven" in entry else []
    lines += ["- **no test yet**"] if not tests and "unproven" not in entry else []
    return "\n".join(lines)


def page(register: dict[str, dict[str, str]], proofs: dict[str, set[str]]) -> str:
    """Return the whole page, in the order of the register."""
    sections = [section(requirement, entry, proofs.get(requirement, set())) for requirement, entry in register.items()]
    proven = sum(requirement in proofs for requirement in register)
    count = f"{len(register)} requirements, {proven} with tests.\n"
    return "\n".join([HEADER, count, "\n\n".join(sections), ""])


def complaints(register: dict[str, dict[str, str]], proofs: dict[str, set[str]]) -> list[str]:
    """Return what is wrong between register and tests, one line each."""
    found = [f"{name}: not in {REGISTER.name}" for name in sorted(proofs.keys() - register.keys())]
    for name, entry in register.items():
        if name not in proofs and "unproven" not in entry:
            found.append(f"{name}: no test proves it")
        if name in proofs and entry["side"] == "csms" and "unproven" in entry:
            found.append(f"{name}: has a test, so `unproven` is out of date")
    return found


def main() -> None:
    """Write the page, or with --check compare it and report what is missing."""
    register = tomllib.loads(REGISTER.read_text(encoding="utf-8"))
    proofs = collect()
    text = page(register, proofs)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return
    found = complaints(register, proofs)
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        found.append("docs/traceability.md is out of date: run `make docs`")
    if found:
        sys.exit("\n".join(f"traceability: {line}" for line in found))


if __name__ == "__main__":
    main()
