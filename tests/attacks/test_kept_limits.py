"""A real server that may keep little: what is one too many is refused in clear words, and a flood of new ids fills nothing."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from pathlib import Path

import httpx
import pytest
import websockets

from csms import OPEN, Csms, environment_of

pytestmark = pytest.mark.process
LIMITS = ("--stations-kept", "4", "--tokens-kept", "2", "--keys-kept", "2", "--webhooks-kept", "1")


async def come(csms: Csms, station: str) -> int:
    """The status of a station's handshake; a station that is let in is served, and leaves."""
    try:
        async with websockets.connect(f"{csms.stations}/{station}", subprotocols=["ocpp2.0.1"], proxy=None) as one:
            await one.send('[2,"h","Heartbeat",{}]')
            await one.recv()
            return 101
    except websockets.exceptions.InvalidStatus as refused:
        says_why = refused.response.body == b"stations-kept" and refused.response.headers["Retry-After"] == "300"
        return refused.response.status_code if says_why else 0
    except websockets.exceptions.ConnectionClosed as closed:
        # It came while others came, and there was room for fewer of them.
        return 0 if closed.rcvd is None else closed.rcvd.code


async def refusals(csms: Csms) -> dict[str, int]:
    """By limit."""
    text = (await csms.http.get(f"{csms.api}/metrics")).text
    assert re.search(r'^evhold_kept{what="stations"} 4\.0$', text, re.MULTILINE)
    assert re.search(r'^evhold_kept_most{what="stations"} 4\.0$', text, re.MULTILINE)
    return {one: int(count) for one, count in re.findall(r'evhold_refusals_total{limit="(\w+-kept)"} (\d+)', text)}


def told(answer: httpx.Response) -> tuple[int, str, str, int]:
    """What a refusal says."""
    body = answer.json()
    return answer.status_code, body["type"], body["limit"], body["most"]


async def test_no_more_is_kept_than_may_be(tmp_path: Path) -> None:
    """By the API, by the terminal and by stations that nobody provisioned; what is there goes on, and what goes makes room."""
    csms = await Csms(tmp_path, options=(*OPEN, *LIMITS)).start()
    try:
        assert (await csms.request("PUT", "/stations/MINE", json={"securityProfile": 0})).status_code == 201
        # A flood of ids that nobody knows: there are three places.
        statuses = await asyncio.gather(*(come(csms, f"NEW{number}") for number in range(60)))
        assert statuses.count(101) == 3
        assert set(statuses) <= {101, 503, 1011}
        let_in = f"NEW{statuses.index(101)}"
        with sqlite3.connect(csms.database) as database:
            assert database.execute("SELECT count(*) FROM stations").fetchone() == (4,)
        assert await come(csms, "LATE") == 503
        assert [await come(csms, one) for one in ("MINE", let_in)] == [101, 101]

        kept = "/problems/limit-reached"
        assert told(await csms.request("PUT", "/stations/CS9", json={})) == (409, kept, "stations-kept", 4)
        assert (await csms.request("PUT", "/stations/MINE", json={"registration": "Pending"})).status_code == 200
        assert (await csms.request("DELETE", f"/stations/{let_in}")).status_code == 204
        assert (await csms.request("PUT", "/stations/CS9", json={})).status_code == 201

        card = {"status": "Accepted"}
        answers = [await csms.request("PUT", f"/tokens/ISO14443/TAG{number}", json=card) for number in range(3)]
        assert [one.status_code for one in answers] == [201, 201, 409]
        assert told(answers[2]) == (409, kept, "tokens-kept", 2)

        answers = [await csms.request("POST", "/keys", json={"role": "readonly"}) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 409]
        assert told(answers[1]) == (409, kept, "keys-kept", 2)
        assert (await csms.request("DELETE", f"/keys/{answers[0].json()['id']}")).status_code == 204
        assert (await csms.request("POST", "/keys", json={"role": "readonly"})).status_code == 201

        hook = {"url": "https://example.org/"}
        answers = [await csms.request("POST", "/webhooks", json=hook) for _ in range(2)]
        assert told(answers[1]) == (409, kept, "webhooks-kept", 1)

        found = await refusals(csms)
        assert {one: found[one] for one in ("tokens-kept", "keys-kept", "webhooks-kept")} == {
            "tokens-kept": 1,
            "keys-kept": 1,
            "webhooks-kept": 1,
        }
        # 57 of the flood, the late one, the one by the API.
        assert found["stations-kept"] == 59
        assert "Traceback" not in "\n".join(csms.output)
        assert await by_terminal(csms, "station", "add", "CS10") == (
            1,
            "evhold: --stations-kept 4: there are as many as may be kept",
        )
    finally:
        await csms.close()


async def by_terminal(csms: Csms, *words: str) -> tuple[int | None, str]:
    """Exit code and words of a command on this server's database, which may keep as little."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", *words, "--database", f"sqlite:///{csms.database}"),
        stderr=asyncio.subprocess.PIPE,
        env=environment_of() | {"EVHOLD_STATIONS_KEPT": "4"},
    )
    _, said = await command.communicate()
    return command.returncode, said.decode().strip()
