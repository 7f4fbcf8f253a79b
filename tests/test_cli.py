"""The command line, in this process and as a process."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

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


def test_a_token_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    """With the server stopped; it is registered no more, and what bears a pseudonym is counted."""
    assert run(["token", "add", "AABB"]) == 0
    assert run(["token", "forget", "aabb"]) == 0
    assert "0 reservations and 0 transactions bear forgotten-" in capsys.readouterr().out
    assert run(["token", "remove", "AABB"]) == 1


def test_a_token_knows_where_its_driver_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--notify may be repeated, stays when left out, and '' empties it; an address that can't be is refused whole."""

    def stored() -> list[str]:
        with closing(sqlite3.connect(tmp_path / "cli.db")) as database:
            rows = database.execute("SELECT * FROM tokens").fetchall()
        return [address for address in addresses if any(address in str(value) for value in rows[0])]

    addresses = ["ntfy://ntfy.example/driver", "mailto://user:word@mail.example?to=driver@example.org"]
    assert run(["token", "add", "AABB", "--notify", addresses[0], "--notify", addresses[1]]) == 0
    assert stored() == addresses
    assert run(["token", "add", "AABB", "--status", "Blocked"]) == 0
    assert stored() == addresses
    capsys.readouterr()
    assert run(["token", "add", "AABB", "--notify", "nothing://that.is/known"]) == 2
    assert "notify" in capsys.readouterr().err
    assert stored() == addresses
    assert run(["token", "add", "AABB", "--notify", ""]) == 0
    assert stored() == []


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


def test_a_key_shows_when_it_ends_and_when_it_was_used(capsys: pytest.CaptureFixture[str]) -> None:
    """In UTC, whatever offset was given; one that was never used says nothing."""
    for text in ("2090-12-31", "2090-12-31T01:00:00+01:00", "2090-12-31T00:00:00Z"):
        assert run(["key", "create", "--role", "readonly", "--expires", text]) == 0
    capsys.readouterr()
    assert run(["key", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    shown = [(row["state"], row["expires"], row["lastUsed"]) for row in rows]
    assert shown == [("valid", "2090-12-31T00:00:00+00:00", None)] * 3


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["serve", "--api", "nowhere"], "--api"),
        (["serve", "--colour", "red"], "--colour"),
        (["serve", "--stations", "0.0.0.0:0"], "--insecure"),
        (["serve", "--nats", "nats://h"], "--nats"),
        (["serve", "--tls-key", "k.pem"], "--tls-key"),
        (["serve", "--config", "none.toml"], "none.toml"),
        (["migrate", "--database", "mysql://h/d"], "--database"),
        (["station", "add", "A:B"], "stationId"),
        (["station", "add", "A", "--registration", "Perhaps"], "--registration"),
        (["key", "create", "--role", "king"], "--role"),
        (["key", "create", "--role", "driver"], "idTokens"),
        (["key", "create", "--role", "admin", "--expires", "soon"], "--expires"),
        (["key", "create", "--role", "admin", "--expires", "2001-01-01"], "expiresAt"),
        (["serve", "--failed-logins", "0"], "--failed-logins"),
        (["serve", "--trusted-proxy", "proxy"], "--trusted-proxy"),
        (["serve", "--cors-origin", "app.example"], "--cors-origin"),
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


@pytest.mark.parametrize("command", [["migrate"], ["station", "list"], ["token", "list"], ["serve", "--api", ":0"]])
def test_a_database_that_is_none_is_one_line_and_exit_code_1(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the file, whether it is another kind of file or in no folder."""
    (tmp_path / "other.db").write_text("no database at all, and long enough to look like something else")
    for url in (f"sqlite:///{tmp_path}/other.db", f"sqlite:///{tmp_path}/nowhere/x.db"):
        monkeypatch.setenv("EVHOLD_DATABASE", url)
        assert run(command) == 1
        err = capsys.readouterr().err
        assert err.startswith(f"evhold: {url}: ")
        assert err.count("\n") == 1


def test_a_missing_key_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The server says 401; the line says which option is missing. http:// goes without saying."""
    with HTTPServer(("127.0.0.1", 0), Unauthorized) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert run(["cancel", "1", "--url", f"127.0.0.1:{server.server_port}"]) == 1
        assert run(["cancel", "1", "--url", f"127.0.0.1:{server.server_port}", "--key", "wrong"]) == 1
        server.shutdown()
    assert capsys.readouterr().err == "evhold: an API key is needed: --key or EVHOLD_KEY\nevhold: no such key\n"


class Unauthorized(BaseHTTPRequestHandler):
    """401 to everybody."""

    def do_DELETE(self) -> None:
        """The problem."""
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b'{"detail": "no such key"}')

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.mark.parametrize("arguments", [[], ["station"]])
def test_a_command_alone_shows_its_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what there is."""
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert "Commands:" in told.out + told.err


@pytest.mark.process
def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """`evhold key list | head` ends without a word when head has gone."""
    command = f"{sys.executable} -m evhold key list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


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
