"""``evhold station``, ``token`` and ``key``: straight into the database, seen by a running server."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from evhold.cli.terminal import (
    BAD_INPUT,
    WHO,
    AsJson,
    ConfigFile,
    Database,
    Group,
    id_token_of,
    in_database,
    make_app,
    say,
    settings_of,
    show,
    stop,
)

if TYPE_CHECKING:
    from evhold.domain.access import ApiKey
    from evhold.registry import RegistryCalls

T = TypeVar("T")
Notify = Annotated[
    list[str] | None,
    typer.Option(
        "--notify", metavar="URL", help="Where its driver is told (apprise); repeat for more, '' for nowhere."
    ),
]
TokenText = Annotated[str, typer.Argument(metavar="TOKEN[:TYPE]")]

station = make_app("Provision stations; works with the server stopped.")
token = make_app("RFID tokens and their groups; works with the server stopped.")
key = make_app("API keys; works with the server stopped.")


def _registered(config: Path | None, database: str | None, work: "Callable[[RegistryCalls], Awaitable[T]]") -> T:
    """What the work does to the registry."""
    from evhold import bootstrap

    return in_database(bootstrap.registry, settings_of(config, {"database": database}), work)


@station.command("add")
def station_add(
    station_id: str,
    password: Annotated[str | None, typer.Option(help="Made, and printed once, when left out.")] = None,
    security_profile: Annotated[int | None, typer.Option(min=0, max=3)] = None,
    serial_number: str | None = None,
    registration: Annotated[str | None, typer.Option(metavar="Accepted|Pending|Rejected")] = None,
    config: ConfigFile = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Provision a station, or change it; what is left out stays."""
    from evhold.domain.station import Registration
    from evhold.usecases.provision import KEEP, PutStation

    if registration not in (None, *Registration):
        stop(f"--registration: {registration} is none of {', '.join(Registration)}", BAD_INPUT)
    order = PutStation(
        station_id=station_id,
        password=password or KEEP,
        security_profile=KEEP if security_profile is None else security_profile,
        serial_number=serial_number or KEEP,
        registration=KEEP if registration is None else Registration(registration),
    )
    done = _registered(config, database, lambda registry: registry.put_station(order))
    if as_json:
        say(json.dumps({"id": done.station.id, "isNew": done.is_new, "password": done.password}))
    else:
        say(f"{done.station.id} {'added' if done.is_new else 'changed'}")
        if done.password is not None:
            say(f"password: {done.password}")


@station.command("list")
def station_list(config: ConfigFile = None, database: Database = None, as_json: AsJson = False) -> None:
    """The stations."""
    found = _registered(config, database, lambda registry: registry.stations())
    rows = [
        {"id": one.id, "registration": str(one.registration), "vendorName": one.vendor_name, "model": one.model}
        for one in found
    ]
    show(rows, as_json=as_json)


@station.command("remove")
def station_remove(station_id: str, config: ConfigFile = None, database: Database = None) -> None:
    """Remove a station; its reservations and their history stay."""
    _registered(config, database, lambda registry: registry.remove_station(station_id))
    say(f"{station_id} removed")


@token.command("add")
def token_add(
    text: TokenText,
    status: Annotated[str, typer.Option(metavar="Accepted|Blocked|Expired|Invalid")] = "Accepted",
    group: Group = None,
    notify: Notify = None,
    config: ConfigFile = None,
    database: Database = None,
) -> None:
    """Register a token, or change it; its group and addresses stay when left out."""
    from evhold import outward
    from evhold.domain.authorization import Token, TokenStatus
    from evhold.usecases.provision import KEEP, TokenOrder

    if status not in tuple(TokenStatus):
        stop(f"--status: {status} is none of {', '.join(TokenStatus)}", BAD_INPUT)
    its_group = KEEP if group is None else id_token_of(group)
    addresses = tuple(one for one in notify or () if one)
    told = KEEP if notify is None else addresses
    order = TokenOrder(id_token=id_token_of(text), status=TokenStatus(status), group=its_group, notify=told)

    async def put(registry: "RegistryCalls") -> tuple[Token, bool]:
        outward.notifier_of(settings_of(config, {"database": database})).check(addresses)
        return await registry.tokens.put(order, who=WHO)

    _, is_new = _registered(config, database, put)
    say(f"{text} {'added' if is_new else 'changed'}")


@token.command("list")
def token_list(config: ConfigFile = None, database: Database = None, as_json: AsJson = False) -> None:
    """The tokens."""
    found = _registered(config, database, lambda registry: registry.tokens.page())
    rows = [
        {
            "idToken": one.id_token.id_token,
            "type": one.id_token.type,
            "status": str(one.status),
            "group": one.group and f"{one.group.id_token}:{one.group.type}",
        }
        for one in found
    ]
    show(rows, as_json=as_json)


@token.command("remove")
def token_remove(text: TokenText, config: ConfigFile = None, database: Database = None) -> None:
    """Register a token no more."""
    _registered(config, database, lambda registry: registry.tokens.remove(id_token_of(text), who=WHO))
    say(f"{text} removed")


@token.command("forget")
def token_forget(text: TokenText, config: ConfigFile = None, database: Database = None) -> None:
    """Delete what is kept of a token: in what has ended, a pseudonym takes its place."""
    done = _registered(config, database, lambda registry: registry.tokens.forget(id_token_of(text), who=WHO))
    say(f"{done.reservations} reservations and {done.transactions} transactions bear {done.pseudonym}")


@key.command("create")
def key_create(
    role: Annotated[str, typer.Option(metavar="admin|operator|driver|readonly")],
    name: Annotated[str | None, typer.Option(help="The role, when left out.")] = None,
    tokens: Annotated[list[str] | None, typer.Option("--token", metavar="TOKEN[:TYPE]", help="A driver's.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="2030-12-31 or 2030-12-31T18:00:00+01:00; UTC without an offset.")
    ] = None,
    config: ConfigFile = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key, and print it this once."""
    from evhold.domain.access import Role
    from evhold.usecases.provision import KeyOrder

    if role not in tuple(Role):
        stop(f"--role: {role} is none of {', '.join(Role)}", BAD_INPUT)
    order = KeyOrder(
        name=name or role,
        role=Role(role),
        id_tokens=tuple(id_token_of(one) for one in tokens or ()),
        expires_at=None if expires is None else _time_of(expires),
    )
    made = _registered(config, database, lambda registry: registry.keys.create(order, who=WHO))
    say(json.dumps({"id": made.key.id, "key": made.secret}) if as_json else made.secret)


@key.command("list")
def key_list(config: ConfigFile = None, database: Database = None, as_json: AsJson = False) -> None:
    """The API keys, without their secrets."""

    async def look(registry: "RegistryCalls") -> "tuple[datetime, list[ApiKey]]":
        return registry.now(), await registry.keys.all()

    now, found = _registered(config, database, look)
    rows = [
        {
            "id": one.id,
            "name": one.name,
            "role": str(one.role),
            "tokens": ", ".join(f"{each.id_token}:{each.type}" for each in one.id_tokens),
            "state": _state_of(one, now),
            "expires": one.expires_at and one.expires_at.isoformat(),
            "lastUsed": one.last_used_at and one.last_used_at.isoformat(timespec="seconds"),
        }
        for one in found
    ]
    show(rows, as_json=as_json)


def _state_of(key: "ApiKey", now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.is_valid(now) else "expired"


def _time_of(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        stop(f"--expires: {text} is no time such as 2030-12-31T18:00:00Z", BAD_INPUT)


@key.command("revoke")
def key_revoke(key_id: int, config: ConfigFile = None, database: Database = None) -> None:
    """Revoke an API key."""
    _registered(config, database, lambda registry: registry.keys.revoke(key_id, who=WHO))
    say(f"key {key_id} revoked")
