"""What is secret is read nowhere: not in the output, the metrics, the problems, the audit, the events or the reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from csms import ADMIN_KEY, OPEN, QUICK, Csms

#: None of these may be read anywhere but where it was asked for by name.
TOKEN = "MARKERTOKEN0042"
KEY_GUESS = "evh_marker-of-a-wrong-key-0043"
PASSWORD = "marker-password-of-a-station-0044"
LINK_GUESS = "MARKERLINKMARKERLINKMARKER0"
SECRETS = (TOKEN, KEY_GUESS, PASSWORD, LINK_GUESS, ADMIN_KEY)


@pytest.mark.process
async def test_secrets_are_read_nowhere(tmp_path: Path) -> None:
    """A real process is driven by its main calls, good and bad; then all that it says is searched."""
    server = await Csms(tmp_path, options=(*QUICK, *OPEN, "--webhook-allow", "127.0.0.0/8")).start()
    said: list[str] = []
    made: list[str] = []
    id_token = {"idToken": TOKEN, "type": "Central"}
    try:
        # Answers to good orders about a token or a key show it to whoever asked; all others are searched.
        for method, path, body in (
            ("PUT", "/stations/CS1", {"password": PASSWORD}),
            ("PUT", "/stations/CS2", {}),
            ("PUT", f"/tokens/Central/{TOKEN}", {"status": "Accepted"}),
            ("POST", "/keys", {"role": "driver", "name": "app", "idTokens": [id_token]}),
            ("POST", "/webhooks", {"url": "http://127.0.0.1:9/hook"}),
        ):
            answer = await server.request(method, path, json=body)
            assert answer.is_success, answer.text
            made += [str(answer.json().get(name)) for name in ("password", "key", "secret") if answer.json().get(name)]
        refused = [
            await server.reserve("CS1", idToken=id_token),
            await server.reserve("CS1", idToken=id_token, expiryDateTime="soon"),
            await server.request("PUT", "/stations/CS1", json={"password": PASSWORD, "registration": "Perhaps"}),
            await server.request("POST", "/stations/CS1/calls/Nothing", json={"idToken": TOKEN}),
            await server.request("DELETE", "/tokens/Central/NOBODY"),
            await server.request("GET", "/tokens", headers={"Authorization": f"Bearer {KEY_GUESS}"}),
            await server.request("GET", f"/driver/{LINK_GUESS}"),
            await server.http.post(f"{server.api}/session", json={"key": KEY_GUESS}),
            await server.http.post(f"{server.api}/session", json={"key": KEY_GUESS, "more": TOKEN}),
        ]
        assert all(400 <= answer.status_code < 600 for answer in refused)
        said += [answer.text for answer in refused]
        signed_in = await server.http.post(f"{server.api}/session", json={"key": ADMIN_KEY})
        made.append(signed_in.cookies["evhold_session"])
        for path in ("/metrics", "/openapi.json", "/docs", "/readyz", "/", "/api/v1/audit", "/api/v1/keys"):
            said.append((await server.http.get(f"{server.api}{path}")).text)
        said.append((await server.request("GET", "/stations")).text)
        listed = said[-2]
        # Whose tokens a driver's key opens is the admin's to see.
        said[-2] = listed.replace(TOKEN, "")
        said.append((await server.request("GET", "/webhooks")).text)
        audit = (await server.request("GET", "/audit")).json()
        assert {"put token", "create key", "put station", "sign in"} <= {row["what"] for row in audit}
    finally:
        await server.close()
    assert len(made) == 4
    text = "\n".join([*said, *server.output])
    assert "login.failed" in text
    found = [secret for secret in (*SECRETS, *made) if secret in text]
    assert found == []
