"""The few calls of the API that a workload needs before it begins."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from bench.server import ADMIN_KEY, ServerFailed


def add_token(api: str) -> None:
    """The token that stations of the load ask about is known and accepted."""
    request(api, "PUT", "/api/v1/tokens/ISO14443/BENCH-TOKEN", {"status": "Accepted"})


def request(api: str, method: str, path: str, body: dict[str, Any]) -> None:
    """The request was answered with success. Raises ServerFailed."""
    address = urlsplit(api)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status >= 300:
            raise ServerFailed(f"{method} {path} was answered {answer.status}: {answer.read().decode()}")
    finally:
        connection.close()
