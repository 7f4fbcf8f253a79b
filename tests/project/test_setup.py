"""The set-up and the commands around it: what a fresh machine meets first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "tools" / "setup.sh"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
Result = subprocess.CompletedProcess[str]


def test_the_setup_is_read_by_a_posix_shell() -> None:
    """`sh` (dash on Debian) parses the script."""
    result = subprocess.run(["sh", "-n", SETUP], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_setup_uses_nothing_that_only_bash_knows() -> None:
    """None of the constructs that `sh -n` lets through and a POSIX shell then gets wrong."""
    code = re.sub(r"^\s*#.*$", "", SETUP.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.findall(r"\[\[|\bfunction \w|\blocal \w|<<<|<\(|&>|\bsource |\bdeclare \b|\w+=\(", code) == []


def test_the_setup_leaves_the_index_to_pips_configuration() -> None:
    """No option that would push a user's own index, proxy or certificates aside; hashes are required."""
    code = SETUP.read_text(encoding="utf-8")
    assert re.findall(r"--index-url|--isolated|--trusted-host|--extra-index-url", code) == []
    assert "--require-hashes" in code
    assert "--no-deps --no-build-isolation" in code


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the set-up script, locks that lock nothing, and no environment."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SETUP, tmp_path / "tools" / "setup.sh")
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    return tmp_path


def program(path: Path, script: str) -> Path:
    """Write a shell script that stands for a program."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def interpreter(directory: Path, script: str) -> Path:
    """Write a shell script that stands for a Python."""
    return program(directory / "python", script)


def run_setup(tree: Path, python: Path, *, level: str = "run", user: int = 1000, **more: str) -> Result:
    """Run the set-up with that Python, and without any other program that could help it out but those in bin."""
    tools = tree / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("sh", "dirname", "cksum", "rm", "mv", "cat", "mkdir"):
        if not (tools / name).exists():
            (tools / name).symlink_to(shutil.which(name) or name)
    environment = {"PATH": str(tools), "PYTHON": str(python), "HOME": os.environ.get("HOME", "/"), **more}
    program(tools / "id", f"echo {user}")
    command = [str(tools / "sh"), "tools/setup.sh", level]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)


@pytest.mark.process
def test_a_python_that_is_too_old_is_refused_with_what_to_install(tree: Path) -> None:
    """The message names the version that is needed; nothing is made."""
    result = run_setup(tree, interpreter(tree, "exit 1"))
    assert result.returncode == 1
    assert "Python 3.11 or later is needed" in result.stderr
    assert not (tree / ".venv").exists()


@pytest.mark.process
def test_an_environment_that_cannot_be_made_leaves_nothing_behind(tree: Path) -> None:
    """`python -m venv` that fails half-way leaves no folder, and an ordinary user is told what to install."""
    broken = 'case "$*" in *sys.exit*) exit 0;; *venv*) mkdir -p .venv.new/bin; exit 1;; *) echo 3.11;; esac'
    result = run_setup(tree, interpreter(tree, broken))
    assert result.returncode == 1
    assert "apt-get install python3.11-venv" in result.stderr
    assert list(tree.glob(".venv*")) == []


# Stands for a Python that makes a working environment: a copy of itself. What pip was asked is written down.
WORKING = """case "$*" in
    *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cat "$0" >"$last/bin/python.new"
        mv "$last/bin/python.new" "$last/bin/python"; /bin/chmod +x "$last/bin/python";;
    *"pip install"*) echo "$*" >>pip.log;;
esac"""


@pytest.mark.process
def test_a_second_setup_does_nothing(tree: Path) -> None:
    """The stamp holds what the environment was made from: only a change of that installs again."""
    python = interpreter(tree, WORKING)
    program(tree / "bin" / "chromium", 'echo "$*" >>browser.log')
    first = run_setup(tree, python, level="dev")
    installed = (tree / "pip.log").read_text(encoding="utf-8")
    assert (first.returncode, first.stderr) == (0, "")
    assert "-r requirements.txt -r requirements-dev.txt" in installed
    for level in ("dev", "run"):
        assert run_setup(tree, python, level=level).stdout == ""
    assert (tree / "pip.log").read_text(encoding="utf-8") == installed
    assert (tree / "browser.log").read_text(encoding="utf-8") == "--version\n"
    (tree / "requirements.txt").write_text("# other\n", encoding="utf-8")
    assert "installing" in run_setup(tree, python, level="run").stdout


@pytest.mark.process
def test_a_missing_browser_is_told_before_anything_is_made(tree: Path) -> None:
    """The tests need Chromium: an ordinary user is told what to install; what only evhold needs goes without."""
    program(tree / "bin" / "chromium-browser", "echo install the snap; exit 1")
    result = run_setup(tree, interpreter(tree, WORKING), level="dev")
    assert (result.returncode, result.stdout) == (1, "")
    assert "sudo apt-get install chromium" in result.stderr
    assert list(tree.glob(".venv*")) == []
    assert run_setup(tree, interpreter(tree, WORKING), level="run").returncode == 0


@pytest.mark.process
def test_root_gets_a_browser_installed_once(tree: Path) -> None:
    """apt-get is asked for chromium, after an update when the list of packages is too old; then it is found."""
    apt = """echo "$*" >>apt.log
        [ "$1" = update ] && echo >updated && exit 0
        [ -f updated ] && cp bin/id bin/chromium"""
    program(tree / "bin" / "apt-get", apt)
    (tree / "bin" / "cp").symlink_to(shutil.which("cp") or "cp")
    for _ in range(2):
        result = run_setup(tree, interpreter(tree, WORKING), level="dev", user=0)
        assert (result.returncode, result.stderr) == (0, "")
    asked = (tree / "apt.log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == ["install", "update", "install"]
    assert (tree / ".venv" / ".evhold-browser").read_text(encoding="utf-8").strip() == str(tree / "bin" / "chromium")


@pytest.mark.process
def test_a_named_browser_wins_and_must_start(tree: Path) -> None:
    """TEST_CHROMIUM is taken, also later and with a space in its path; one that is not there stops the set-up."""
    python = interpreter(tree, WORKING)
    program(tree / "bin" / "chromium", "exit 0")
    named = program(tree / "a folder" / "chrome", "exit 0")
    recorded = tree / ".venv" / ".evhold-browser"
    assert run_setup(tree, python, level="dev").returncode == 0
    assert run_setup(tree, python, level="dev", TEST_CHROMIUM=str(named)).returncode == 0
    assert recorded.read_text(encoding="utf-8").strip() == str(named)
    missing = run_setup(tree, python, level="dev", TEST_CHROMIUM="/nowhere/chrome")
    assert missing.returncode == 1
    assert "looked for: /nowhere/chrome" in missing.stderr


@pytest.mark.process
def test_tests_that_start_processes_are_one_group(request: pytest.FixtureRequest) -> None:
    """With several workers the group's name is in the id of each such test, so that no two run at a time."""
    expected = "@process" if "PYTEST_XDIST_WORKER" in os.environ else ""
    assert request.node.nodeid.endswith(f"::{request.node.name}{expected}")


def test_make_shows_its_commands_when_asked_for_nothing() -> None:
    """`make help` is the default, and every command has a line in it."""
    assert ".DEFAULT_GOAL := help" in MAKEFILE
    targets = set(re.findall(r"^([a-z]+):.*##", MAKEFILE, re.MULTILINE))
    assert {"help", "demo", "test", "soak", "bench", "check", "docs", "format", "lock", "clean"} <= targets


def test_the_demo_needs_only_the_runtime_lock() -> None:
    """`make demo` waits for the small set-up, `make test` for the large one."""
    assert re.search(r"^demo: setup\b(?!-)", MAKEFILE, re.MULTILINE)
    assert re.search(r"^test: setup-dev\b", MAKEFILE, re.MULTILINE)


def test_continuous_integration_runs_check_and_test() -> None:
    """.ci/run is executable and calls the two commands that everybody else calls."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"^make (\w+)$", script.read_text(encoding="utf-8"), re.MULTILINE) == ["check", "test"]
