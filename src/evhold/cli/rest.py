"""``evhold reserve``, ``cancel`` and ``watch``: the REST API from a terminal."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from evhold.cli.terminal import BAD_INPUT, REFUSED, AsJson, Group, id_token_of, say, stop

if TYPE_CHECKING:
    from evhold.client.api import Evhold
    from evhold.client.types import IdToken

T = TypeVar("T")
Url = Annotated[str, typer.Option("--url", envvar="EVHOLD_URL", help="Address of the server.")]
Key = Annotated[str | None, typer.Option("--key", envvar="EVHOLD_KEY", help="API key.")]
HOME: Final = "http://127.0.0.1:8080"
_DURATION: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,7})s)?")


def reserve(
    station: str,
    token: Annotated[str, typer.Option("--token", metavar="TOKEN[:TYPE]", help="Whom it is for.")],
    evse: Annotated[int | None, typer.Option("--evse", min=1, help="Left out: any EVSE.")] = None,
    connector_type: Annotated[str | None, typer.Option("--type", metavar="cCCS2", help="Any EVSE with this.")] = None,
    group: Group = None,
    duration: Annotated[str | None, typer.Option("--for", metavar="30m", help="How long, such as 1h30m.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="RFC 3339.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until the station has answered.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Ask even where it is known to fail.")] = False,
    url: Url = HOME,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Reserve an EVSE, a connector type, or any EVSE of a station."""
    end = _end(duration, until)

    def order(api: "Evhold") -> dict[str, Any]:
        from evhold.client.requests import Terms, wait_headers

        terms = Terms(
            station_id=station,
            id_token=_token(token),
            # By the server's clock: it is the one that says whether the end lies in the past.
            until=api.now() + end if isinstance(end, timedelta) else end,
            evse_id=evse,
            connector_type=connector_type,
            group_id_token=None if group is None else _token(group),
            force=force,
        )
        headers = wait_headers(wait_s=None if wait else 0)
        told: dict[str, Any] = api.call("POST", "/reservations", body=terms.body(), headers=headers)
        return told

    _show(_asked(url, key, order), as_json=as_json)


def cancel(reservation_id: int, url: Url = HOME, key: Key = None, as_json: AsJson = False) -> None:
    """Cancel a reservation at its station."""
    _show(_asked(url, key, lambda api: api.call("DELETE", f"/reservations/{reservation_id}")), as_json=as_json)


def watch(url: Url = HOME, key: Key = None, as_json: AsJson = False) -> None:
    """Stations, connectors and reservations, live; a line an event where there is no terminal."""
    from evhold.client.watch import watch as live

    _asked(url, key, lambda api: live(api, as_json=as_json, say=say))


def _asked(url: str, key: str | None, work: "Callable[[Evhold], T]") -> T:
    from evhold.client.api import Evhold
    from evhold.client.requests import Refused

    try:
        with Evhold(url, key) as api:
            return work(api)
    except Refused as error:
        if error.status == 401 and not key:
            stop("an API key is needed: --key or EVHOLD_KEY", REFUSED)
        stop(error, BAD_INPUT if error.is_bad_input else REFUSED)


def _token(text: str) -> "IdToken":
    from evhold.client.types import IdToken

    token = id_token_of(text)
    return IdToken(token.id_token, token.type)


def _end(duration: str | None, until: str | None) -> timedelta | datetime:
    """How long from now, or until when."""
    if (duration is None) == (until is None):
        stop("give --for or --until", BAD_INPUT)
    if until is not None:
        try:
            at = datetime.fromisoformat(until)
        except ValueError:
            stop(f"--until: {until} is no RFC 3339 time", BAD_INPUT)
        return (at if at.tzinfo else at.astimezone()).astimezone(UTC)
    found = _DURATION.fullmatch(duration or "")
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not (hours or minutes or seconds):
        stop(f"--for: {duration} is no duration such as 30m or 1h30m", BAD_INPUT)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(told))
        return
    place = f"EVSE {told['evseId']}" if told["evseId"] else told["connectorType"] or "any EVSE"
    say(f"{told['id']} {told['status']} {told['stationId']} {place} until {told['expiryDateTime']}")
