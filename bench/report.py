"""The figures as tables, and as JSON in bench/results/."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Check, Fact, Flow, Machine, Result

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
    if flows := [flow for result in run.results for flow in result.flows]:
        console.print(_flows(flows))
    if facts := [fact for result in run.results for fact in result.facts]:
        console.print(_facts(facts))
    if checks := [check for result in run.results for check in result.checks]:
        console.print(_checks(checks))


def store(run: Run) -> Path:
    """The run is in a JSON file of its own; return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{run.at.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
    told = msgspec.to_builtins(run)
    for result, told_result in zip(run.results, told["results"], strict=True):
        for check, told_check in zip(result.checks, told_result["checks"], strict=True):
            told_check["met"] = check.met
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return path


def _flows(flows: Sequence[Flow]) -> Table:
    heads = ("CPU each", "lowest, highest", "of it database", "a second", "p50", "p99", "max")
    table = _table(("work", "at"), *heads, "server", "load process", "others", "fsync")
    work = ""
    for one in flows:
        table.add_row(
            one.work if one.work != work else "",
            one.contender,
            _cpu(one.server_us),
            f"{_cpu(one.lowest_us)}, {_cpu(one.highest_us)}" if one.rounds > 1 else "",
            _cpu(one.database_us) if one.database_us else "",
            f"{one.rate:,.0f}",
            *(f"{value:.1f} ms" for value in (one.p50_ms, one.p99_ms, one.max_ms)),
            *(f"{value:.0%}" for value in (one.server_load, one.generator_load, one.other_load)),
            f"{one.fsync_ms:.2f} ms",
        )
        work = one.work
    return table


def _cpu(microseconds: float) -> str:
    return f"{microseconds:,.1f} us" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"


def _facts(facts: Sequence[Fact]) -> Table:
    table = _table(("work", "what"), "figure")
    for one in facts:
        table.add_row(one.work, one.name, f"{one.value:,.2f} {one.unit}")
    return table


def _checks(checks: Sequence[Check]) -> Table:
    table = _table(("work", "measure"), "figure", "goal", "")
    for one in checks:
        sign = ">=" if one.at_least else "<="
        met = "met" if one.met else "[bold]not met[/bold]"
        table.add_row(one.work, one.measure, f"{one.value:,.2f} {one.unit}", f"{sign} {one.goal:,.5g} {one.unit}", met)
    return table


def _table(names: Sequence[str], *numbers: str) -> Table:
    more: dict[str, Any] = {"box": None, "pad_edge": False, "header_style": "bold"}
    table = Table(**more)
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right")
    return table
