"""What all commands share: stopping with one line, settings, a loop, tables, common options."""

import json
import os
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from evhold.config import Settings
    from evhold.domain.values import IdToken

T = TypeVar("T")
BAD_INPUT: Final = 2
REFUSED: Final = 1

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="[evhold.toml if it is there]")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Group = Annotated[str | None, typer.Option("--group", metavar="TOKEN[:TYPE]", help="The groupIdToken.")]


def make_app(text: str) -> typer.Typer:
    """An empty set of commands; plain help, as rich's takes too long to load."""
    return typer.Typer(
        help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def say(text: str) -> None:
    """A line on stdout, at once."""
    print(text, flush=True)


def stop(text: object, code: int) -> NoReturn:
    """The command ends with one line on stderr."""
    print(f"evhold: {(str(text).splitlines() or [''])[0]}", file=sys.stderr)
    raise typer.Exit(code)


def settings_of(config: Path | None, given: Mapping[str, object]) -> "Settings":
    """The settings in force; a bad one ends the command."""
    from evhold.config import ConfigError, load

    named = os.environ.get("EVHOLD_CONFIG")
    try:
        return load(given, environment=os.environ, file=config or (Path(named) if named else None))
    except ConfigError as error:
        stop(error, BAD_INPUT)


def run_loop(work: Awaitable[T]) -> T:
    """The result of the work, run in an event loop of its own."""
    import uvloop

    async def wait() -> T:
        return await work

    return uvloop.run(wait())


def id_token_of(text: str) -> "IdToken":
    """``AABBCCDD:ISO14443``; ISO14443 goes without saying."""
    from evhold.domain.values import IdToken

    name, _, kind = text.partition(":")
    return IdToken(name, kind or "ISO14443")


def show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table, or JSON."""
    if as_json:
        say(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for head in rows[0]:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    # A pipe gets whole lines.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
