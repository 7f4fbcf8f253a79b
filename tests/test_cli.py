"""The command line, in this process and as a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evhold.cli.app import run


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from outside; a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVHOLD_DATABASE", f"sqlite:///{tmp_path}/cli.db")


def test_stations_are_provisioned_with_the_server_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """add prints the password once, list shows the station, remove takes it away."""
    assert run(["station", "add", "CS1", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["isNew"]
    assert len(made["password"]) >= 20
    assert run(["station", "add", "CS1", "--registration", "Pending"]) == 0
    assert "changed" in capsys.readouterr().out
    assert run(["station", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["registration"]) for row in rows] == [("CS1", "Pending")]
    assert run(["station", "remove", "CS1"]) == 0
    assert run(["station", "remove", "CS1"]) == 1
    assert capsys.readouterr().err == "evhold: Charging Station CS1 is not provisioned\n"


def test_tokens_are_registered_with_their_group(capsys: pytest.CaptureFixture[str]) -> None:
    """ISO14443 goes without saying."""
    assert run(["token", "add", "AABB", "--group", "FAM:Central"]) == 0
    assert run(["token", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told == [{"idToken": "AABB", "type": "ISO14443", "status": "Accepted", "group": "FAM:Central"}]
    assert run(["token", "list"]) == 0
    assert "FAM:Central" in capsys.readouterr().out
    assert run(["token", "remove", "aabb"]) == 0
    assert run(["token", "remove", "AABB"]) == 1


def test_keys_are_made_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    """The secret is printed once and never listed."""
    assert run(["key", "create", "--role", "driver", "--token", "AABB"]) == 0
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("evh_")
    assert run(["key", "list", "--json"]) == 0
    out = capsys.readouterr().out
    assert secret not in out
    (row,) = json.loads(out)
    assert run(["key", "revoke", str(row["id"])]) == 0
    assert run(["key", "revoke", "999"]) == 1


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["serve", "--api", "nowhere"], "--api"),
        (["serve", "--colour", "red"], "--colour"),
        (["serve", "--stations", "0.0.0.0:0"], "--insecure"),
        (["serve", "--nats", "nats://h"], "--nats"),
        (["serve", "--config", "none.toml"], "none.toml"),
        (["station", "add", "A:B"], "stationId"),
        (["station", "add", "A", "--registration", "Perhaps"], "--registration"),
        (["key", "create", "--role", "king"], "--role"),
        (["key", "create", "--role", "driver"], "idTokens"),
        (["token", "add", "A" * 37], "idToken"),
        (["simulate", "--scenario", "nothing"], "--scenario"),
        (["reserve", "CS1", "--token", "A"], "--for"),
        (["reserve", "CS1", "--token", "A", "--for", "soon"], "--for"),
        (["reserve", "CS1", "--token", "A", "--until", "soon"], "--until"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], culprit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names what is wrong."""
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert culprit in err
    assert err.count("\n") == 1


def test_a_server_that_is_away_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens at port 1."""
    assert run(["cancel", "1", "--url", "http://127.0.0.1:1", "--key", "k"]) == 1
    assert capsys.readouterr().err.startswith("evhold: http://127.0.0.1:1/ can't be reached")


def test_the_database_is_brought_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """migrate makes the file, and may run again."""
    assert run(["migrate"]) == 0
    assert run(["migrate"]) == 0
    assert (tmp_path / "cli.db").is_file()


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As the package has it."""
    assert run(["version"]) == 0
    assert capsys.readouterr().out.count(".") == 2


@pytest.mark.process
def test_help_loads_nothing_heavy() -> None:
    """The web framework, the database and the terminal tables stay out, which keeps --help quick."""
    code = (
        "import sys; from evhold.cli.app import run; run(['--help']);"
        "print([name for name in ('litestar', 'sqlalchemy', 'rich', 'httpx', 'picows', 'uvloop') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
