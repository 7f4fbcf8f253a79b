"""A node as a process: settings that fit together, signals, and what is printed at the start."""

import asyncio
import resource
import signal
from collections.abc import Awaitable, Callable

import uvloop

from evhold.bootstrap import App, Listening
from evhold.config import ConfigError, Settings

#: Work that runs beside a started node; it may set the event that stops it.
Beside = Callable[[App, Listening, asyncio.Event], Awaitable[None]]


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """`evhold serve`: returns when the node was told to stop by SIGTERM or SIGINT, and has. Raises as ``run``."""
    uvloop.run(run(settings, say=say))


async def run(settings: Settings, *, say: Callable[[str], None], beside: Beside | None = None) -> None:
    """A node runs until SIGTERM or SIGINT.

    Raises:
        OSError: An address can't be had.
        StorageAway: The database can't be used.
        ConfigError: The settings don't fit together.
    """
    check_settings(settings)
    raise_file_limit(settings.max_stations, say=say)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = App(settings)
    try:
        listening = await app.start()
        if listening.made_key is not None:
            say(f"admin key {listening.made_key}  (shown once: keep it)")
        say(f"stations  ws://{listening.stations}/ocpp/{{stationId}}")
        say(f"api       http://{listening.api}")
        if beside is not None:
            await beside(app, listening, stop)
        await stop.wait()
    finally:
        await app.stop()


def check_settings(settings: Settings) -> None:
    """Return if the settings fit together.

    Raises:
        ConfigError: One line that names the culprit.
    """
    if settings.nats is not None or settings.database.startswith("postgresql://"):
        where = "--nats" if settings.nats is not None else "--database"
        raise ConfigError(where, "several nodes are not built yet: SQLite and one process only")
    if settings.tls_cert or settings.tls_key or settings.tls_client_ca:
        raise ConfigError("--tls-cert", "TLS is not built yet: put a TLS proxy in front")
    if settings.insecure or settings.stations.is_loopback:
        return
    # Design decision 13: an open door beyond this machine needs to be asked for by name.
    if settings.unknown_stations == "accept":
        raise ConfigError("--unknown-stations", "accept beyond loopback needs --insecure")
    raise ConfigError("--stations", "plain Basic auth beyond loopback needs --insecure")


def raise_file_limit(max_stations: int, *, say: Callable[[str], None]) -> None:
    """The process may open as many files as the machine lets it; says so when that is too few (design decision 18)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < max_stations + 100:
        say(f"warning   {hard} open files are allowed, too few for --max-stations {max_stations}")
