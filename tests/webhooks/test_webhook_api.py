"""/webhooks over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Judge
from webhook_stage import Receiver

from csms import Csms


@pytest.fixture
async def csms(tmp_path: Path) -> AsyncIterator[Csms]:
    """A server process that may call loopback."""
    made = await Csms(tmp_path, options=("--webhook-allow", "127.0.0.0/8")).start()
    yield made
    await made.close()


@pytest.mark.process
async def test_the_life_of_a_webhook(csms: Csms, receiver: Receiver) -> None:
    """Made, shown without its secret, tested, given another secret, its dead deliveries listed and sent again, removed."""
    answer = await csms.request(
        "POST", "/webhooks", json={"url": receiver.url("a"), "events": ["station.*"], "stationId": "CS1"}
    )
    made = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/api/v1/webhooks/{made['id']}")
    path = f"/webhooks/{made['id']}"
    shown = (await csms.request("GET", path)).json()
    assert "secret" not in shown
    assert (shown["events"], shown["stationId"], shown["pending"], shown["dead"]) == (["station.*"], "CS1", 0, 0)
    assert (await csms.request("GET", "/webhooks")).json() == [shown]
    tested = (await csms.request("POST", f"{path}/test")).json()
    assert tested == {"delivered": True, "status": 204, "error": None}
    Judge(made["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    turned = (await csms.request("POST", f"{path}/secret")).json()
    assert turned["oldSecretUntil"] is not None
    await csms.request("POST", f"{path}/test")
    for secret in (made["secret"], turned["secret"]):
        Judge(secret).verify(receiver.got[1].body, receiver.got[1].headers)
    receiver.answers["a"] = 500
    assert (await csms.request("POST", f"{path}/test")).json() == {
        "delivered": False,
        "status": 500,
        "error": "HTTP 500",
    }
    assert (await csms.request("GET", f"{path}/deliveries?status=dead")).json() == []
    assert (await csms.request("GET", f"{path}/deliveries?status=lost")).status_code == 400
    unknown = await csms.request("POST", f"{path}/deliveries/7/redeliver")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/delivery-unknown")
    assert (await csms.request("DELETE", path)).status_code == 204
    assert (await csms.request("DELETE", path)).json()["type"] == "/problems/webhook-unknown"


@pytest.mark.process
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://example.org/"},
        {"url": "http://10.0.0.1/"},
        {"url": "https://example.org/", "events": []},
        {"url": "https://example.org/", "events": ["reservations.*"]},
        {"url": "https://example.org/", "colour": "red"},
    ],
)
async def test_a_bad_order_names_the_culprit(csms: Csms, body: dict[str, object]) -> None:
    """400 with the field."""
    answer = await csms.request("POST", "/webhooks", json=body)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] in ("url", "events", "colour")
