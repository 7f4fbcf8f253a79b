"""The figures as a table, and as JSON in bench/results/."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Flow, Machine, Memory, Result

RESULTS: Final = Path(__file__).resolve().parent / "results"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the bench, as it is stored."""

    at: datetime
    quick: bool
    machine: Machine
    results: Sequence[Result]


def show(run: Run, *, console: Console) -> None:
    """The machine and the tables are printed."""
    one = run.machine
    gib = one.memory_bytes / 2**30
    console.print(f"{one.python}, {one.cores} cores ({one.processor}), {gib:.0f} GiB, {one.system}", highlight=False)
    flows = [result for result in run.results if isinstance(result, Flow)]
    memories = [result for result in run.results if isinstance(result, Memory)]
    if flows:
        console.print(_flows(flows))
    if memories:
        console.print(_memories(memories))


def store(run: Run) -> Path:
    """The run is in a JSON file of its own; return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{run.at.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    return path


def _flows(flows: Sequence[Flow]) -> Table:
    heads = ("server CPU each", "a second", "p50", "p99", "max", "server", "load process", "others", "fsync")
    table = _table("work", *heads)
    for one in flows:
        table.add_row(
            one.work,
            f"{one.server_us:,.1f} us" if one.server_us < 1000 else f"{one.server_us / 1000:.2f} ms",
            f"{one.rate:,.0f}",
            *(f"{value:.1f} ms" for value in (one.p50_ms, one.p99_ms, one.max_ms)),
            *(f"{value:.0%}" for value in (one.server_load, one.generator_load, one.other_load)),
            f"{one.fsync_ms:.2f} ms",
        )
    return table


def _memories(memories: Sequence[Memory]) -> Table:
    heads = ("memory each", "server before", "server after", "server CPU to connect each", "time to connect each")
    table = _table("work", *heads)
    for one in memories:
        table.add_row(
            one.work,
            f"{one.bytes_each / 1000:.1f} kB",
            *(f"{value / 1e6:.1f} MB" for value in (one.idle_bytes, one.full_bytes)),
            *(f"{value:.2f} ms" for value in (one.server_ms, one.connect_ms)),
        )
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
