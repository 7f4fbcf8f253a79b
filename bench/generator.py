"""The load generator as the bench sees it: a process that takes an order, does it, and answers."""

import select
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped]  # ships no types

from bench.load.orders import Done, Failed, Order, Reply

ORDER_TIMEOUT_S: Final = 300.0
_ROOT: Final = Path(__file__).resolve().parent.parent
_replies: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Done | Failed)


class LoadFailed(RuntimeError):
    """The load could not be made as ordered."""


class Generator:
    """A running load process; `close` ends it, and with it all its sockets."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "bench.load"),
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    def do(self, order: Order) -> Done:
        """The order is done.

        Raises:
            LoadFailed: It was not; the text says why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        readable, _, _ = select.select([self._process.stdout], [], [], ORDER_TIMEOUT_S)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            raise LoadFailed("the load process ended" if readable else f"no answer within {ORDER_TIMEOUT_S:g} s")
        reply = _replies.decode(line)
        if isinstance(reply, Failed):
            raise LoadFailed(reply.reason)
        return reply

    def cpu_s(self) -> float:
        """The CPU time that it used up so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """The process is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
