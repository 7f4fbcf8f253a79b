"""``evhold serve``, ``demo``, ``migrate`` and ``simulate``."""

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from evhold.cli.terminal import BAD_INPUT, REFUSED, ConfigFile, Database, run_loop, say, settings_of, stop

if TYPE_CHECKING:
    from ssl import SSLContext

    from evhold.settings import Settings
    from evhold.simulator.options import StationOptions

Command = TypeVar("Command", bound=Callable[..., None])


def _with_settings(command: Command) -> Command:
    """The command takes every option of the table, and hands them on in ``options``."""
    from evhold.options import OPTIONS

    own = [one for one in inspect.signature(command).parameters.values() if one.name != "options"]
    for option in OPTIONS:
        kind = bool | None if option.is_flag else str | None
        name = f"--{option.name}"
        shown = typer.Option(name, help=option.help, metavar=option.metavar or None, show_default=False)
        parameter = inspect.Parameter(
            option.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, shown]
        )
        own.append(parameter)
    command.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {}
    return command


@_with_settings
def serve(config: ConfigFile = None, **options: object) -> None:
    """The CSMS."""
    with _everything_kept():
        from evhold import launch

    _serve(launch.serve, settings_of(config, options))


@_with_settings
def demo(
    config: ConfigFile = None,
    size: Annotated[int, typer.Option(min=1, max=1000, help="How many stations to simulate.")] = 12,
    **options: object,
) -> None:
    """The CSMS with simulated stations, in a fresh temporary database."""
    with _everything_kept():
        from evhold import demo as lively

    _serve(partial(lively.demo, size=size), settings_of(config, options))


@contextmanager
def _everything_kept() -> Iterator[None]:
    """Nothing is looked through for garbage: what imports make stays, and looking for it takes a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _serve(work: Callable[..., None], settings: "Settings") -> None:
    """Serve until a signal comes; what keeps it from starting is one line."""
    from evhold.config import ConfigError
    from evhold.usecases.ports import StorageAway

    try:
        work(settings, say=_say_if_read)
    except ConfigError as error:
        stop(error, BAD_INPUT)
    except OSError as error:
        stop(error, REFUSED)
    except StorageAway as error:
        stop(f"{settings.shown_database}: {error}", REFUSED)


def _say_if_read(text: str) -> None:
    """A line on stdout; a server goes on when nobody reads it."""
    with suppress(BrokenPipeError):
        say(text)


def migrate(
    config: ConfigFile = None,
    database: Database = None,
    post: Annotated[
        bool,
        typer.Option(
            "--post", help="Take away what only older versions need. Refused while one of their nodes is there."
        ),
    ] = False,
) -> None:
    """Bring the database up to date: what this version adds. Older nodes may go on meanwhile, and after it.

    A node does the same when it starts. SQLite, and a new database, get all at once.
    """
    from evhold import bootstrap
    from evhold.usecases.ports import OlderNodes, StorageAway

    settings = settings_of(config, {"database": database})
    try:
        is_left = bootstrap.migrate(settings.database, post=post)
    except (StorageAway, OlderNodes) as error:
        stop(f"{settings.shown_database}: {error}", REFUSED)
    rest = ", and has more to do when no older node is left: evhold migrate --post" if is_left else ""
    say(f"{settings.shown_database} is up to date{rest}")


def simulate(
    url: Annotated[str, typer.Option(help="The CSMS, without the station id.")] = "ws://127.0.0.1:9000/ocpp",
    stations: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    prefix: str = "SIM",
    evses: Annotated[int, typer.Option(min=1, help="EVSEs a station.")] = 2,
    connector_types: Annotated[str, typer.Option(metavar="TYPE,TYPE", help="Given to the EVSEs in turn.")] = "cCCS2",
    password: Annotated[str | None, typer.Option(help="Of every station, for Basic auth.")] = None,
    ca: Annotated[Path | None, typer.Option(metavar="FILE", help="Whom wss:// trusts [the system].")] = None,
    cert: Annotated[
        str | None, typer.Option(metavar="FILE", help="The station's certificate; {id} stands for its id.")
    ] = None,
    key: Annotated[str | None, typer.Option(metavar="FILE", help="Its key [in the certificate's file].")] = None,
    serial_number: Annotated[str | None, typer.Option(help="As BootNotification tells it [the id].")] = None,
    lively: Annotated[bool, typer.Option("--lively", help="Drivers come and go.")] = False,
    scenario: Annotated[str | None, typer.Option(metavar="NAME", help="Play one flow with one station.")] = None,
) -> None:
    """Charging stations only, against any CSMS."""
    from evhold.simulator.scenarios import SCENARIOS

    reach = _Reach(url=url, password=password, ca=ca, cert=cert, key=key, serial_number=serial_number)
    types = [one.strip() for one in connector_types.split(",") if one.strip()]
    if not types:
        stop("--connector-types: name at least one", BAD_INPUT)
    if scenario is None:
        listed = [reach.options(f"{prefix}{n}", evses=evses, types=types) for n in range(1, stations + 1)]
        run_loop(_fleet(url, listed, lively=lively))
        return
    if scenario not in SCENARIOS:
        stop(f"--scenario: {scenario} is none of {', '.join(SCENARIOS)}", BAD_INPUT)
    if not run_loop(_scenario(scenario, url, reach.options(f"{prefix}1", evses=evses, types=types))):
        raise typer.Exit(REFUSED)


@dataclass(frozen=True)
class _Reach:
    """How simulated stations reach the CSMS, and prove themselves."""

    url: str
    password: str | None
    ca: Path | None
    cert: str | None
    key: str | None
    serial_number: str | None

    def options(self, station_id: str, *, evses: int, types: list[str]) -> "StationOptions":
        """One station's; ends the command where a file can't be used."""
        from evhold.simulator.options import StationOptions

        return StationOptions(
            station_id=station_id,
            password=self.password,
            tls=self._tls(station_id),
            serial_number=self.serial_number,
            evses=evses,
            connector_types=tuple(types),
        )

    def _tls(self, station_id: str) -> "SSLContext | None":
        from ssl import SSLError, create_default_context

        if not self.url.startswith("wss://"):
            if self.ca or self.cert or self.key:
                stop("--url: --ca, --cert and --key are for wss:// addresses", BAD_INPUT)
            return None
        cert, key = (None if one is None else one.replace("{id}", station_id) for one in (self.cert, self.key))
        if cert is None and key is not None:
            stop("--key: needs --cert", BAD_INPUT)
        culprit = "--ca"
        try:
            context = create_default_context(cafile=self.ca)
            culprit = "--cert"
            if cert is not None:
                context.load_cert_chain(cert, key, password=lambda: b"")
        except SSLError as error:
            stop(f"{culprit}: no PEM that fits: {error.reason or error}", BAD_INPUT)
        except OSError as error:
            stop(f"{culprit}: {error.strerror}", BAD_INPUT)
        return context


async def _scenario(name: str, url: str, options: "StationOptions") -> bool:
    from evhold.bootstrap import world
    from evhold.simulator.scenarios import run_scenario

    return await run_scenario(name, url, options, say, world=world())


async def _fleet(url: str, stations: "list[StationOptions]", *, lively: bool) -> None:
    import asyncio
    from signal import SIGINT, SIGTERM

    from evhold.bootstrap import world
    from evhold.simulator.fleet import run_fleet

    stop = asyncio.Event()
    for signal in (SIGINT, SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal, stop.set)
    await run_fleet(
        url,
        stations,
        lively=lively,
        stop=stop,
        on_online=lambda one: say(f"{one.id} is online"),
        on_trouble=lambda reason: print(f"evhold: {reason}", file=sys.stderr),
        world=world(),
    )
