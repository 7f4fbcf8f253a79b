"""A node as a process: settings that fit together, signals, and what is printed at the start."""

import asyncio
import gc
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from evhold.bootstrap import App
from evhold.bounds import Listening
from evhold.config import ConfigError
from evhold.settings import Settings

#: Work that runs beside a started node; it may set the event that stops it.
Beside = Callable[[App, Listening, asyncio.Event], Awaitable[None]]


def serve(settings: Settings, *, say: Callable[[str], None]) -> None:
    """`evhold serve`: returns when the node was told to stop by SIGTERM or SIGINT, and has. Raises as ``run``."""
    set_up_logging(logging.INFO)
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
        if app.certificates is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.certificates.reload)
        calm_garbage_collection()
        if listening.made_key is not None:
            say(f"admin key {listening.made_key}  (shown once: keep it)")
        say(f"stations  {'wss' if settings.tls_cert else 'ws'}://{listening.stations}/ocpp/{{stationId}}")
        say(f"api       http://{listening.api}")
        if listening.made_key is not None:
            say(f"open      http://{listening.api}/#key={listening.made_key}  (signs in)")
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
    # Design decision 16: a file is one machine's, and has one writer.
    if settings.nats is not None and not settings.database.startswith("postgresql://"):
        raise ConfigError("--nats", "several nodes need a database that they share: --database postgresql://...")
    _check_tls(settings)
    _check_oidc(settings)
    if settings.insecure or settings.stations.is_loopback:
        return
    # Design decision 13: an open door beyond this machine needs to be asked for by name.
    if settings.unknown_stations == "accept":
        raise ConfigError("--unknown-stations", "accept beyond loopback needs --insecure")
    if not settings.tls_cert:
        raise ConfigError("--stations", "plain Basic auth beyond loopback needs --tls-cert, or --insecure")


def _check_tls(settings: Settings) -> None:
    if not settings.tls_cert:
        for option, value in (("--tls-key", settings.tls_key), ("--tls-client-ca", settings.tls_client_ca)):
            if value:
                raise ConfigError(option, "needs --tls-cert")
    elif settings.tls_key and len(settings.tls_key) != len(settings.tls_cert):
        raise ConfigError("--tls-key", "names one key for each file of --tls-cert, in the same order")


def _check_oidc(settings: Settings) -> None:
    if settings.oidc_issuer is None:
        for name in sorted(one for one in settings.given if one.startswith("oidc_")):
            raise ConfigError("--" + name.replace("_", "-"), "needs --oidc-issuer")
    elif not settings.oidc_audience:
        # Without it a token for any other service of this issuer would open this one.
        raise ConfigError("--oidc-issuer", "needs --oidc-audience: whom its tokens are for")


def calm_garbage_collection() -> None:
    """What a started node consists of is never looked through again, and the young are looked through less often.

    Full collections of many long-lived connections took 70 to 220 ms about once a second (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def set_up_logging(level: int) -> None:
    """Events go to stderr: coloured for a person, a line of key=value for everybody else."""
    is_person = sys.stderr.isatty()
    # Plain tracebacks: the pretty ones print local variables, tokens and passwords among them.
    for_person = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    for_machine = [
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
    ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(for_person if is_person else for_machine),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def raise_file_limit(max_stations: int, *, say: Callable[[str], None]) -> None:
    """The process may open as many files as the machine lets it; says so when that is too few (design decision 18)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < max_stations:
        say(f"warning   {hard} open files are allowed, too few for --max-stations {max_stations}")
