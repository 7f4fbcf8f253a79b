"""The demo: a node with a fresh database of its own, and a site of lively simulated stations."""

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import uvloop

from evhold.bootstrap import App, new_key, world
from evhold.bounds import Listening
from evhold.config import ConfigError
from evhold.domain.access import Actor, Role
from evhold.domain.authorization import TokenStatus
from evhold.domain.station import Location
from evhold.domain.values import IdToken
from evhold.launch import run, set_up_logging
from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.registry import registry_calls
from evhold.settings import Address, Settings
from evhold.simulator.blueprint import KEPT, Driver, Place, everybody, plan
from evhold.simulator.site import Reach, run_site
from evhold.usecases import provision

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
