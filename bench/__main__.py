"""`python -m bench`: measures evhold against its baselines on this machine, prints tables, and keeps the figures as JSON."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from bench.figures import Result, machine
from bench.generator import LoadFailed
from bench.postgres import NoPostgres
from bench.report import Run, show, store
from bench.server import ServerFailed
from bench.stage import FULL, HUGE, QUICK, Size
from bench.workloads import growth, live, messages, reserving, starting, storm, tls

WORKLOADS: Final[dict[str, Callable[[Size, Callable[[str], None]], Result]]] = {
    **messages.WORKLOADS,
    **reserving.WORKLOADS,
    **live.WORKLOADS,
    **storm.WORKLOADS,
    **tls.WORKLOADS,
    **growth.WORKLOADS,
    **starting.WORKLOADS,
}


def main(arguments: Sequence[str]) -> int:
    """Run the bench; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures evhold on this machine.")
    parser.add_argument("--quick", action="store_true", help="a fraction of the time; the figures are rough")
    parser.add_argument("--huge", action="store_true", help="growth up to 10,000,000 rows")
    parser.add_argument("--only", metavar="NAME", action="append", choices=WORKLOADS, help=", ".join(WORKLOADS))
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else HUGE if options.huge else FULL
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[Result] = []
    failed = False
    for name in options.only or WORKLOADS:
        try:
            results.append(_play(name, size=size))
        except (ServerFailed, LoadFailed, NoPostgres) as error:
            failed = True
            print(f"bench: {name}: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            return 130
    if not results:
        return 1
    run = Run(at=datetime.now(UTC), quick=options.quick, machine=machine(), results=results)
    # A pipe gets whole lines.
    show(run, console=Console(width=None if sys.stdout.isatty() else 200))
    print(f"kept in {store(run)}")
    return 1 if failed else 0


def _play(name: str, *, size: Size) -> Result:
    def say(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    return WORKLOADS[name](size, say)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
