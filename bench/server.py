"""The server under test: a process of its own on free ports of loopback, its database in a folder that is thrown away."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # ships no types

ADMIN_KEY: Final = "evh_bench-key-of-one-run"
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 30.0
_ROOT: Final = Path(__file__).resolve().parent.parent
_API: Final = re.compile(r"http://[\w.\[\]:]+:\d+")
_STATIONS: Final = re.compile(r"wss?://[\w.\[\]:]+:\d+")


class ServerFailed(RuntimeError):
    """The server did not start or did not stay; the text holds the end of what it printed."""


def evhold_command(folder: Path, *, database: str | None = None) -> list[str]:
    """The command line of `evhold serve` with a fresh SQLite file in ``folder``, or with this database."""
    return [
        *(sys.executable, "-m", "evhold", "serve", "--api", "127.0.0.1:0", "--stations", "127.0.0.1:0"),
        *("--database", database or f"sqlite:///{folder / 'bench.db'}", "--admin-key", ADMIN_KEY),
        *("--unknown-stations", "accept", "--unknown-tokens", "accept"),
        # What is measured begins when all are there.
        *("--accepts-per-second", "1000000", "--messages-per-second", "1000000", "--drain", "0"),
    ]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server's processes used up so far, and hold now; ``database_s`` is a database server's own CPU."""

    cpu_s: float
    database_s: float
    rss_bytes: int


class Server:
    """A running server. Its addresses are known from its start on; `stop` ends it.

    Args:
        command: Prints a `ws://` or `wss://` address, and an `http://` one if it has an API, when it is ready.
        folder: Its working directory, where its output is kept too.
        has_api: Whether it has one.
        database_pid: The process of its database server, whose CPU is counted with it.

    Raises:
        ServerFailed: It ended, or printed no addresses within 60 s.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, has_api: bool = True, database_pid: int | None = None
    ) -> None:
        self._log = folder / "server.log"
        self._has_api = has_api
        self._database_pid = database_pid
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EVHOLD_")}
        environment["PYTHONPATH"] = str(_ROOT)
        with self._log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the bench alone, which then ends the server.
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self.api, self.stations = self._addresses()
        except BaseException:
            self.kill()
            raise

    def usage(self) -> Usage:
        """CPU and resident memory of the process and its children.

        Raises:
            ServerFailed: It ended meanwhile.
        """
        try:
            rss = sum(one.memory_info().rss for one in _family(self.pid))
            database_s = 0.0 if self._database_pid is None else _cpu_s(self._database_pid)
            return Usage(cpu_s=_cpu_s(self.pid), database_s=database_s, rss_bytes=rss)
        except psutil.Error as error:
            raise ServerFailed(f"the server is gone:\n{self._tail()}") from error

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    def kill(self) -> None:
        """The process is gone, whatever it was doing."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """The process is gone.

        Raises:
            ServerFailed: It ended with another exit code than 0, or had to be killed.
        """
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"the server did not stop within {STOP_TIMEOUT_S:g} s:\n{self._tail()}") from None
        if code != 0:
            raise ServerFailed(f"the server ended with exit code {code}:\n{self._tail()}")

    def _addresses(self) -> tuple[str, str]:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            ended = self._process.poll() is not None
            printed = self._log.read_text(errors="replace")
            api, stations = _API.search(printed), _STATIONS.search(printed)
            if ended:
                raise ServerFailed(f"the server did not start (exit code {self._process.returncode}):\n{self._tail()}")
            if stations is not None and not self._has_api:
                return "", f"{stations.group()}/ocpp"
            if api is not None and stations is not None and _is_ready(api.group()):
                return api.group(), f"{stations.group()}/ocpp"
            time.sleep(0.02)
        raise ServerFailed(f"the server was not ready within {START_TIMEOUT_S:g} s:\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


def _family(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _cpu_s(pid: int) -> float:
    """Of the process, its children, and those of them that ended."""
    total = 0.0
    for one in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _is_ready(api: str) -> bool:
    address = urlsplit(api)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
