"""``evhold webhook``: straight into the database, seen by a running server."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from evhold.cli.terminal import (
    BAD_INPUT,
    REFUSED,
    WHO,
    AsJson,
    ConfigFile,
    Database,
    id_token_of,
    in_database,
    make_app,
    say,
    settings_of,
    show,
    stop,
)

if TYPE_CHECKING:
    from evhold.web.calls import WebhookCalls

T = TypeVar("T")
SHOWN: Final = 100
Allow = Annotated[str | None, typer.Option("--webhook-allow", metavar="CIDR", help="As the server's.")]

webhook = make_app("Who is told events by HTTP; works with the server stopped.")


def _registered(config: Path | None, given: Mapping[str, object], work: "Callable[[WebhookCalls], Awaitable[T]]") -> T:
    """What the work does to the webhooks."""
    from evhold import outward

    return in_database(outward.webhook_registry, settings_of(config, given), work)


@webhook.command("add")
def webhook_add(
    url: str,
    events: Annotated[
        list[str] | None, typer.Option("--event", metavar="GLOB", help="Such as 'reservation.*' [*].")
    ] = None,
    station: Annotated[str | None, typer.Option("--station", metavar="ID", help="Only this station's.")] = None,
    token: Annotated[str | None, typer.Option("--token", metavar="TOKEN[:TYPE]", help="Only its reservations.")] = None,
    allow: Allow = None,
    config: ConfigFile = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell events to this address from now on; prints the secret this once."""
    from evhold.usecases.webhooks import WebhookOrder

    order = WebhookOrder(
        url=url,
        events=tuple(events or ("*",)),
        station_id=station,
        id_token=None if token is None else id_token_of(token),
    )
    given = {"database": database, "webhook_allow": allow}
    made = _registered(config, given, lambda calls: calls.add(order, who=WHO))
    if as_json:
        say(json.dumps({"id": made.id, "url": made.url, "events": made.events, "secret": made.secret}))
    else:
        say(f"webhook {made.id} added")
        say(f"secret: {made.secret}")


@webhook.command("list")
def webhook_list(config: ConfigFile = None, database: Database = None, as_json: AsJson = False) -> None:
    """The webhooks, without their secrets."""
    found = _registered(config, {"database": database}, lambda calls: calls.all())
    rows = [
        {
            "id": one.webhook.id,
            "url": one.webhook.url,
            "events": ", ".join(one.webhook.events),
            "station": one.webhook.station_id,
            "token": one.webhook.id_token and f"{one.webhook.id_token.id_token}:{one.webhook.id_token.type}",
            "state": "disabled" if one.webhook.disabled_at else "enabled",
            "pending": one.pending,
            "dead": one.dead,
        }
        for one in found
    ]
    show(rows, as_json=as_json)


@webhook.command("remove")
def webhook_remove(webhook_id: int, config: ConfigFile = None, database: Database = None) -> None:
    """Tell it nothing more; what waited for it is gone."""
    _registered(config, {"database": database}, lambda calls: calls.remove(webhook_id, who=WHO))
    say(f"webhook {webhook_id} removed")


@webhook.command("secret")
def webhook_secret(
    webhook_id: int, config: ConfigFile = None, database: Database = None, as_json: AsJson = False
) -> None:
    """Make a new secret, and print it this once; the one before signs too for 24 h."""
    changed = _registered(config, {"database": database}, lambda calls: calls.rotate(webhook_id, who=WHO))
    say(json.dumps({"id": changed.id, "secret": changed.secret}) if as_json else changed.secret)


@webhook.command("test")
def webhook_test(
    webhook_id: int,
    allow: Allow = None,
    config: ConfigFile = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message from here, and say what was answered."""
    given = {"database": database, "webhook_allow": allow}
    outcome = _registered(config, given, lambda calls: calls.test(webhook_id, who=WHO))
    if as_json:
        say(json.dumps({"delivered": outcome.error is None, "status": outcome.status, "error": outcome.error}))
    elif outcome.error is None:
        say(f"webhook {webhook_id} answered {outcome.status}")
    else:
        stop(outcome.error, REFUSED)
    if outcome.error is not None:
        raise typer.Exit(REFUSED)


@webhook.command("deliveries")
def webhook_deliveries(
    webhook_id: int,
    status: Annotated[str | None, typer.Option(metavar="pending|delivered|dead")] = None,
    again: Annotated[
        int | None, typer.Option("--redeliver", metavar="NUMBER", help="Send a dead one once more.")
    ] = None,
    config: ConfigFile = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """What it was sent, or will be, newest first."""
    from evhold.domain.webhooks import DeliveryState

    given: dict[str, object] = {"database": database}
    if again is not None:
        _registered(config, given, lambda calls: calls.redeliver(webhook_id, again, who=WHO))
        say(f"delivery {again} will be sent once more")
        return
    if status not in (None, *DeliveryState):
        stop(f"--status: {status} is none of {', '.join(DeliveryState)}", BAD_INPUT)
    state = None if status is None else DeliveryState(status)
    found = _registered(config, given, lambda calls: calls.deliveries(webhook_id, state=state, limit=SHOWN))
    rows = [
        {
            "number": one.number,
            "event": one.name,
            "subject": one.subject,
            "state": str(one.state),
            "attempts": one.attempts,
            "created": one.created_at.isoformat(timespec="seconds"),
            "next": one.next_at and one.next_at.isoformat(timespec="seconds"),
            "status": one.last_status,
            "error": one.last_error,
        }
        for one in found
    ]
    show(rows, as_json=as_json)
