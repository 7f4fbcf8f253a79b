"""The app with which simulated drivers reserve: a REST client of any CSMS like ours. It knows a handful of calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import httpx

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.blueprint import Driver

PATIENCE_S: Final = 45.0
#: Servers close idle connections after five seconds; ours are given up before.
IDLE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a driver asks for; neither ``evse_id`` nor ``connector_type``: any EVSE of the station."""

    station_id: str
    until: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    for_group: bool = False


class Booking:
    """Reserves, extends and cancels; whatever goes wrong is a No, as drivers don't care why.

    Args:
        url: The API's origin, such as ``http://127.0.0.1:8080``.
        keys: The key of each app.
    """

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self._keys = keys
        self._http = httpx.AsyncClient(
            base_url=f"{url}/api/v1/",
            timeout=PATIENCE_S,
            limits=httpx.Limits(keepalive_expiry=IDLE_S),
            trust_env=False,
            verify=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def reserve(self, driver: Driver, terms: Terms) -> int | None:
        """The id of the reservation, accepted or not yet answered; None: there is none."""
        body: dict[str, object] = {
            "stationId": terms.station_id,
            "idToken": _json(driver.token),
            "expiryDateTime": _text(terms.until),
        }
        if terms.evse_id is not None:
            body["evseId"] = terms.evse_id
        if terms.connector_type is not None:
            body["connectorType"] = terms.connector_type
        if terms.for_group and driver.group is not None:
            body["groupIdToken"] = _json(driver.group)
        answer = await self._ask("POST", "reservations", driver, body)
        return None if answer is None else int(answer.json()["id"])

    async def extend(self, driver: Driver, reservation_id: int, *, until: datetime) -> bool:
        """Whether the reservation holds until then."""
        answer = await self._ask("PATCH", f"reservations/{reservation_id}", driver, {"expiryDateTime": _text(until)})
        return answer is not None and answer.status_code == httpx.codes.OK

    async def cancel(self, driver: Driver, reservation_id: int) -> bool:
        """Whether it was canceled, or waits for the station to be canceled."""
        return await self._ask("DELETE", f"reservations/{reservation_id}", driver) is not None

    async def _ask(
        self, method: str, path: str, driver: Driver, body: dict[str, object] | None = None
    ) -> httpx.Response | None:
        headers = {"Authorization": f"Bearer {self._keys[driver.app]}"}
        try:
            answer = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError:
            return None
        return answer if answer.is_success else None


def _json(token: IdTokenType) -> dict[str, str]:
    return {"idToken": token.id_token, "type": token.type}


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
