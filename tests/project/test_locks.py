"""The locks: what they hold, and what they must not."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = (ROOT / "requirements.txt").read_text(encoding="utf-8")
DEVELOPMENT = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: Name, extras, version.
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[([a-z0-9,._-]+)\])?==([^ ;\\]+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def names(requirements: list[str]) -> set[str]:
    """Return the distribution names of requirement lines, in the form that locks use."""
    return {re.sub(r"[-_.]+", "-", found.group()).lower() for line in requirements if (found := NAME.match(line))}


def pins(lock: str) -> dict[str, str]:
    """Return distribution name -> version."""
    return {name: version for name, _, version in PIN.findall(lock)}


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=["runtime", "development"])
def test_a_lock_names_no_host_and_no_index(lock: str) -> None:
    """Where packages come from is pip's configuration: no address, path or index option stands in a lock."""
    assert (
        re.findall(r"://|--index|--extra-index|--find-links|--trusted-host|@ |\bfile:|^[./]", lock, re.MULTILINE) == []
    )


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=["runtime", "development"])
def test_every_pin_of_a_lock_has_hashes(lock: str) -> None:
    """Each requirement is one exact version, followed by at least one SHA-256."""
    blocks = re.split(r"\n(?=[a-z0-9])", lock.partition("\n")[2])
    assert [block.split()[0] for block in blocks if not PIN.match(block) or "--hash=sha256:" not in block] == []


def test_the_runtime_lock_covers_the_project_and_its_build_backend() -> None:
    """`make demo` needs requirements.txt only: dependencies and build backend are all in it."""
    needed = names(PROJECT["project"]["dependencies"]) | names(PROJECT["build-system"]["requires"])
    assert needed - pins(RUNTIME).keys() == set()


def test_both_locks_together_cover_the_development_tools() -> None:
    """`make test` needs both files and nothing else."""
    needed = names(PROJECT["dependency-groups"]["dev"])
    assert needed - pins(RUNTIME).keys() - pins(DEVELOPMENT).keys() == set()


def test_the_locks_agree_on_what_both_name() -> None:
    """Both are installed into one environment, so no distribution is pinned twice differently."""
    runtime, development = pins(RUNTIME), pins(DEVELOPMENT)
    assert {name: runtime[name] for name in runtime.keys() & development.keys()} == {
        name: development[name] for name in runtime.keys() & development.keys()
    }


def test_exact_pins_of_the_project_are_the_locked_ones() -> None:
    """A dependency that the project pins exactly is locked at that version."""
    exact = dict(line.split("==") for line in PROJECT["project"]["dependencies"] if "==" in line)
    assert {name: pins(RUNTIME)[name] for name in exact} == exact


def test_an_extra_that_a_release_asks_for_is_pinned_with_it() -> None:
    """pip looks for `name[extra]` by itself, and takes a newer release than the locked one for it, which has no hash here."""
    pinned = {name: set(extras.split(",")) for name, extras, _ in PIN.findall(RUNTIME + DEVELOPMENT)}
    asked = {
        (re.sub(r"[-_.]+", "-", found.group(1)).lower(), extra.strip())
        for name in pinned.keys() & {one.metadata["Name"].lower() for one in distributions()}
        for line in requires(name) or ()
        if "extra ==" not in line and (found := re.match(r"([A-Za-z0-9._-]+) ?\[([^]]+)\]", line))
        for extra in found.group(2).split(",")
    }
    assert {(name, extra) for name, extra in asked if extra not in pinned.get(name, {extra})} == set()
