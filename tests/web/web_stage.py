"""Any operation of the API, called with things that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from web_bench import Bench

from evhold.domain.values import IdToken
from evhold.web.operations import Operation


@dataclass
class Stage:
    """What one caller's calls are about; things are made anew for each call, by the admin."""

    bench: Bench
    token: IdToken
    made: int = 0

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """What the admin makes."""
        answer = await self.bench.client.post(f"/api/v1{path}", headers=self.bench.auth(), json=body)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def put(self, path: str, body: object) -> None:
        """What the admin provisions."""
        answer = await self.bench.client.put(f"/api/v1{path}", headers=self.bench.auth(), json=body)
        assert answer.status_code in (200, 201), answer.text

    def terms(self) -> dict[str, object]:
        """Of a reservation of this caller's token, at a station of its own."""
        return self.bench.terms(
            stationId=f"M{self.made}", idToken={"idToken": self.token.id_token, "type": self.token.type}
        )

    async def address(self, operation: Operation) -> str:
        """The operation's address, with things that are there in its parts."""
        self.made += 1
        path = operation.address
        await self.put(f"/stations/M{self.made}", {})
        if "{reservationId:int}" in path or "{link}" in path:
            told = await self.post("/reservations", self.terms() | {"driverLink": True})
            path = path.replace("{reservationId:int}", str(told["id"]))
            path = path.replace("{link}", told["driverLink"].rpartition("/")[2])
        if "{webhookId:int}" in path:
            told = await self.post("/webhooks", {"url": "http://127.0.0.1:9/hook"})
            path = path.replace("{webhookId:int}", str(told["id"]))
        if "{keyId:int}" in path:
            path = path.replace("{keyId:int}", str((await self.post("/keys", {"role": "readonly"}))["id"]))
        if "{idToken}" in path:
            await self.put(f"/tokens/Central/M{self.made}", {"status": "Accepted"})
        for part, value in {
            "{stationId}": f"M{self.made}",
            "{action}": "ClearCache",
            "{number:int}": "7",
            "{type}": "Central",
            "{idToken}": f"M{self.made}",
        }.items():
            path = path.replace(part, value)
        return path

    def body(self, operation: Operation, key: str) -> object:
        """A body that works."""
        bodies: dict[str, object] = {
            "reserve": self.terms(),
            "replaceReservation": {"expiryDateTime": self.bench.expiry(60)},
            "extendByLink": {"expiryDateTime": self.bench.expiry(60)},
            "switchReservations": {"enabled": True},
            "createKey": {"role": "readonly"},
            "createWebhook": {"url": "http://127.0.0.1:9/hook"},
            "putToken": {"status": "Accepted"},
            "signIn": {"key": key},
        }
        return bodies.get(operation.name, {})

    async def status(self, operation: Operation, key: str | None) -> int:
        """What this key is answered; the status alone, as an event stream has no end."""
        request = self.bench.client.build_request(
            operation.method,
            await self.address(operation),
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            json=None if operation.method == "GET" else self.body(operation, key or "none"),
        )
        answer = await self.bench.client.send(request, stream=True)
        await answer.aclose()
        self.bench.client.cookies.clear()
        return answer.status_code
