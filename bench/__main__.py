"""`python -m bench`: measures evhold on this machine, prints a table, and keeps the figures as JSON."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from bench.figures import Result, machine
from bench.generator import LoadFailed
from bench.report import Run, show, store
from bench.server import ServerFailed
from bench.stage import FULL, QUICK, Size, Stage, stage
from bench.workloads import heartbeat, memory, reserve, status_notification

WORKLOADS: Final[dict[str, Callable[[Stage], Result]]] = {
    "heartbeat": heartbeat.run,
    "status-notification": status_notification.run,
    "reserve": reserve.run,
    "memory": memory.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures evhold on this machine.")
    parser.add_argument("--quick", action="store_true", help="about 20 seconds; the figures are rough")
    parser.add_argument("--only", metavar="NAME", action="append", choices=WORKLOADS, help=", ".join(WORKLOADS))
    parser.add_argument("--database", metavar="URL", help="one of your own, which is filled [a fresh SQLite file]")
    options = parser.parse_args(arguments)
    size = replace(QUICK if options.quick else FULL, database=options.database)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[Result] = []
    failed = False
    try:
        for name in options.only or WORKLOADS:
            results.append(_play(name, size=size))
    except (ServerFailed, LoadFailed) as error:
        failed = True
        print(f"bench: {name}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    if not results:
        return 1
    run = Run(at=datetime.now(UTC), quick=options.quick, machine=machine(), results=results)
    # A pipe gets whole lines.
    show(run, console=Console(width=None if sys.stdout.isatty() else 160))
    print(f"kept in {store(run)}")
    return 1 if failed else 0


def _play(name: str, *, size: Size) -> Result:
    def say(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    with stage(size, say=say) as played:
        return WORKLOADS[name](played)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
