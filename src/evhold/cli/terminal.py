"""What all commands share: stopping with one line, settings, a loop, tables, common options."""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from evhold.domain.access import Actor

if TYPE_CHECKING:
    from evhold.domain.values import IdToken
    from evhold.settings import Settings

T = TypeVar("T")
C = TypeVar("C")
BAD_INPUT: Final = 2
REFUSED: Final = 1
#: What the audit calls whoever sits at the terminal.
WHO: Final = Actor("terminal")

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="[evhold.toml if it is there]")]
Database = Annotated[str | None, typer.Option("--database", metavar="URL")]
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


def in_database(
    opened: "Callable[[Settings], AbstractAsyncContextManager[C]]",
    settings: "Settings",
    work: Callable[[C], Awaitable[T]],
) -> T:
    """What the work does with the calls that are opened on the database of these settings; refusals are one line."""
    from evhold.domain.errors import DomainError, InvalidOrder
    from evhold.usecases.ports import StorageAway

    async def within() -> T:
        async with opened(settings) as calls:
            return await work(calls)

    try:
        return run_loop(within())
    except InvalidOrder as error:
        stop(error, BAD_INPUT)
    except DomainError as error:
        stop(error, REFUSED)
    except StorageAway as error:
        stop(f"{settings.shown_database}: {error}", REFUSED)


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
