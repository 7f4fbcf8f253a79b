"""A node as a process: settings that fit together, signals, and what is printed at the start."""

import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import structlog
import uvloop

from evhold.bootstrap import App, new_key, world
from evhold.bounds import Listening
from evhold.config import ConfigError
from evhold.domain.access import Actor, Role
from evhold.domain.authorization import TokenStatus
from evhold.domain.station import Location
from evhold.domain.values import IdToken
from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.registry import registry_calls
from evhold.settings import Address, Settings
from evhold.simulator.blueprint import KEPT, Driver, Place, everybody, plan
from evhold.simulator.site import Reach, run_site
from evhold.usecases import provision

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


# --- the demo

#: What the audit calls it.
DEMO: Final = Actor("demo")
DEMO_TOKENS: Final = ("AABBCCDD", "DDCCBBAA")
DEMO_GROUP: Final = IdToken("GROUP001", "Central")
#: A card that may not charge.
DEMO_LOST: Final = provision.TokenOrder(
    id_token=IdToken("04B10CCED0FF1D", "ISO14443"),
    status=TokenStatus.BLOCKED,
    personal_message="This card was reported lost.",
)


def demo(settings: Settings, *, size: int, say: Callable[[str], None]) -> None:
    """`evhold demo`: a CSMS with ``size`` lively simulated stations, until SIGTERM or SIGINT. Raises as ``run``.

    What was not asked for by name is the demo's own: a fresh temporary database and key, and free ports where the usual
    ones are taken (design decision 17).
    """
    if settings.tls_cert:
        raise ConfigError("--tls-cert", "the demo's own stations speak plain ws: leave it out")
    set_up_logging(logging.WARNING)
    with TemporaryDirectory(prefix="evhold-demo-") as folder:
        uvloop.run(run(_demo_settings(settings, folder=folder), say=say, beside=partial(_play, size=size, say=say)))


def _demo_settings(settings: Settings, *, folder: str) -> Settings:
    given = settings.given
    own: dict[str, object] = {}
    if "database" not in given:
        own["database"] = f"sqlite:///{folder}/evhold.db"
    if "admin_key" not in given:
        own["admin_key"] = new_key()
    for name in ("api", "stations"):
        address = getattr(settings, name)
        if name not in given and _is_taken(address):
            own[name] = Address(address.host, 0)
    return msgspec.structs.replace(settings, **own)


def _is_taken(address: Address) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return True
    return False


async def _play(app: App, listening: Listening, stop: asyncio.Event, *, size: int, say: Callable[[str], None]) -> None:
    """The site is provisioned, and lives until ``stop``; what to try is printed once all of it is online."""
    reach = Reach(
        stations=f"ws://{listening.stations}/ocpp",
        api=f"http://{listening.api}",
        passwords=await _provision_stations(app, size=size),
        keys=await _provision_drivers(app, size=size),
    )
    await app.credentials.refresh()
    greet = partial(_greet, app, listening, say=say)
    await run_site(reach, size=size, stop=stop, on_online=greet, world=world())


async def _provision_stations(app: App, *, size: int) -> dict[str, str]:
    """The demo's stations stand at their places; their passwords."""
    calls = registry_calls(app.storage, who=DEMO, clock=app.clock, ids=app.ids, kept=app.kept)
    passwords: dict[str, str] = {}
    for one in plan(size):
        station_id = one.options.station_id
        passwords[station_id] = app.ids.secret()
        await calls.put_station(
            provision.PutStation(station_id=station_id, password=passwords[station_id], location=_location(one.place))
        )
    return passwords


async def _provision_drivers(app: App, *, size: int) -> dict[str, str]:
    """The cards of the demo's people are registered, and a few for who tries it; the keys of the apps."""
    calls = registry_calls(app.storage, who=DEMO, clock=app.clock, ids=app.ids, kept=app.kept)
    for text in DEMO_TOKENS:
        await calls.tokens.put(provision.TokenOrder(id_token=IdToken(text, "ISO14443"), group=DEMO_GROUP), who=DEMO)
    await calls.tokens.put(DEMO_LOST, who=DEMO)
    users: dict[str, list[Driver]] = {}
    for driver in everybody(plan(size)):
        group = None if driver.group is None else _id_token(driver.group)
        await calls.tokens.put(provision.TokenOrder(id_token=_id_token(driver.token), group=group), who=DEMO)
        users.setdefault(driver.app, []).append(driver)
    keys: dict[str, str] = {}
    for name, drivers in users.items():
        tokens = tuple(_id_token(one.token) for one in drivers)
        made = await calls.keys.create(provision.KeyOrder(name=name, role=Role.DRIVER, id_tokens=tokens), who=DEMO)
        keys[name] = made.secret
    return keys


def _location(place: Place) -> Location:
    return Location(name=place.name, latitude=place.latitude, longitude=place.longitude)


def _id_token(token: IdTokenType) -> IdToken:
    return IdToken(token.id_token, token.type)


def _greet(app: App, listening: Listening, *, say: Callable[[str], None]) -> None:
    key = app.settings.admin_key
    say("")
    say(f"Open      http://{listening.api}/#key={key}")
    say("Reserve   an EVSE for fifteen minutes:")
    say(f"""
curl -s -X POST http://{listening.api}/api/v1/reservations \\
  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
  -d '{{"stationId": "{KEPT.station_id}", "evseId": {KEPT.evse_id},
       "idToken": {{"idToken": "AABBCCDD", "type": "ISO14443"}},
       "expiryDateTime": "'$(date -u -d '+15 minutes' +%Y-%m-%dT%H:%M:%SZ)'"}}'
""")
    say("Stop      with Ctrl-C; nothing is kept.")
