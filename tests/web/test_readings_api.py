"""What the page reads: figures, timeline, CSV, schemas of calls, frames since; and the switch of a station."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO

from web_bench import Bench

from evhold.domain.access import Actor, Role
from evhold.domain.authorization import TokenStatus
from evhold.domain.facts import Refused
from evhold.domain.values import IdToken
from evhold.usecases import provision
from evhold.usecases.ports import CallFailed, CallResult, NeverSent, NoAnswer
from evhold.usecases.provision import PutStation, TokenOrder
from evhold.web import spreadsheet


async def get(bench: Bench, path: str, role: Role = Role.READONLY, **query: str) -> dict[str, object]:
    """The JSON of an answer that is 200."""
    answer = await bench.client.get(f"/api/v1{path}", headers=bench.auth(role), params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, object] = answer.json()
    return told


async def refusal(bench: Bench, path: str, **query: str) -> tuple[int, str]:
    """The status of a refusal and the field that it names."""
    answer = await bench.client.get(f"/api/v1{path}", headers=bench.auth(), params=query)
    return answer.status_code, answer.json()["errors"][0]["field"]


def refused(ask: object) -> Refused:
    """The EVSE is taken."""
    return Refused(ask=ask, status="Occupied")  # type: ignore[arg-type]  # the bench gives an Ask


# Figures


async def test_figures_are_those_of_the_last_seven_days(bench: Bench) -> None:
    """The shape of the contract; the days add up to the total."""
    await bench.reserve()
    bench.stations.answer = refused
    await bench.reserve(evseId=2)
    told = await get(bench, "/figures")
    assert told.keys() == {"from", "to", "timeZone", "total", "days", "activeNow", "unconfirmedNow"}
    assert (told["timeZone"], told["activeNow"], told["unconfirmedNow"]) == ("UTC", 1, 0)
    total, days = told["total"], told["days"]
    assert isinstance(total, Mapping)
    assert isinstance(days, list)
    assert len(days) == 7
    assert [day["date"] for day in days] == sorted(day["date"] for day in days)
    assert total["date"] is None
    assert all(sum(day[name] for day in days) == total[name] for name in ("made", "accepted", "refused", "live"))
    counts = ("made", "accepted", "refused", "failed", "used", "expiredUnused", "canceled", "removed", "live")
    assert [total[name] for name in counts] == [2, 1, 1, 0, 0, 0, 0, 0, 1]
    assert (total["acceptedPercent"], total["usedPercent"], total["expiredUnusedPercent"]) == (50.0, 0.0, 0.0)
    assert 0 <= total["medianAnswerSeconds"] < 5
    assert (total["evseMinutesHeld"], total["evseMinutesUnused"]) == (0, 0)
    assert days[0]["medianAnswerSeconds"] is days[0]["acceptedPercent"] is None


async def test_figures_may_be_those_of_a_station_and_of_another_place(bench: Bench) -> None:
    """Its id is found without case; days are those of the time zone."""
    await bench.reserve()
    told = await get(bench, "/figures", stationId="cs1", timeZone="Pacific/Auckland")
    assert (told["timeZone"], told["activeNow"]) == ("Pacific/Auckland", 1)
    assert datetime.fromisoformat(str(told["from"])).astimezone(UTC).hour in (11, 12)
    assert (await get(bench, "/figures", stationId="NOBODY"))["activeNow"] == 0


async def test_wishes_for_figures_that_can_t_be_are_refused(bench: Bench) -> None:
    """With the field that is wrong."""
    for zone in ("Mars", "Europe", "../passwd", "/etc/localtime", "\x00", ""):
        assert await refusal(bench, "/figures", timeZone=zone) == (400, "timeZone")
    long_ago = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    assert await refusal(bench, "/figures", **{"from": long_ago}) == (400, "from")
    assert await refusal(bench, "/figures", **{"from": "2999-01-01T00:00:00Z"}) == (400, "to")
    assert await refusal(bench, "/figures", to="tomorrow") == (400, "to")
    assert await refusal(bench, "/figures", to="0001-01-01T00:00:00Z") == (400, "to")


# Timeline


async def test_the_timeline_has_a_row_for_every_evse(bench: Bench) -> None:
    """The shape of the contract."""
    known = (await bench.reserve()).json()
    told = await get(bench, "/timeline")
    assert told.keys() == {"from", "to", "now", "stations"}
    ((station),) = told["stations"]  # type: ignore[misc]  # a list, as the next lines show
    assert (station["id"], station["location"], station["online"]) == ("CS1", None, True)
    first, second = station["evses"]
    assert (first["id"], first["types"], first["status"]) == (1, ["cCCS2"], "Available")
    assert (second["id"], second["status"], second["bars"]) == (2, "Occupied", [])
    (bar,) = first["bars"]
    assert bar | {"from": None} == {
        "kind": "held",
        "from": None,
        "to": None,
        "reservationId": known["id"],
        "status": "Active",
        "doubt": False,
        "transactionId": None,
        "until": known["expiryDateTime"],
    }


async def test_the_timeline_may_be_that_of_one_station(bench: Bench) -> None:
    """Found without case; one that is not provisioned is a 404."""
    told = await get(bench, "/timeline", stationId="cs1")
    assert [one["id"] for one in told["stations"]] == ["CS1"]  # type: ignore[attr-defined]  # a list
    answer = await bench.client.get("/api/v1/timeline?stationId=NOBODY", headers=bench.auth())
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/station-unknown")


async def test_a_timeline_that_can_t_be_is_refused(bench: Bench) -> None:
    """Too long, empty, or at the edge of the calendar."""
    day = {"from": "2026-03-01T00:00:00Z"}
    assert await refusal(bench, "/timeline", **day, to="2026-03-03T00:00:01Z") == (400, "from")
    assert await refusal(bench, "/timeline", **day, to="2026-03-01T00:00:00Z") == (400, "to")
    for name in ("from", "to"):
        for at in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "9999-12-31T23:00:00Z"):
            answer = await bench.client.get("/api/v1/timeline", headers=bench.auth(), params={name: at})
            assert answer.status_code in (200, 400), (name, at)


# CSV


async def rows_of(bench: Bench, **query: str) -> list[dict[str, str]]:
    """The rows of the file."""
    answer = await bench.client.get("/api/v1/reservations.csv", headers=bench.auth(Role.READONLY), params=query)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reservations.csv"'
    assert answer.text.endswith("\r\n")
    return list(csv.DictReader(StringIO(answer.text, newline="")))


async def test_reservations_are_rows_newest_first(bench: Bench) -> None:
    """The columns are named; what is not known is empty."""
    first, second = (await bench.reserve()).json(), (await bench.reserve(evseId=None)).json()
    rows = await rows_of(bench)
    assert [row["id"] for row in rows] == [str(second["id"]), str(first["id"])]
    assert tuple(rows[0]) == spreadsheet.COLUMNS
    wanted = {"stationId": "CS1", "evseId": "1", "idToken": "AABBCCDD", "status": "Active", "ocppStatus": "Accepted"}
    wanted |= {"expiryDateTime": first["expiryDateTime"], "cause": "", "confirmed": "false", "groupIdToken": ""}
    assert wanted.items() <= rows[1].items()
    assert rows[0]["evseId"] == ""


async def test_the_file_has_the_filters_of_the_list_and_no_end(bench: Bench, monkeypatch) -> None:  # type: ignore[no-untyped-def]  # pytest's fixture
    """All pages; a limit means nothing here."""
    monkeypatch.setattr(spreadsheet, "_PART", 2)
    for _ in range(5):
        await bench.reserve(evseId=None)
    await bench.reserve()
    assert len(await rows_of(bench, limit="1", cursor="x")) == 6
    assert len(await rows_of(bench, evseId="1")) == 1
    assert len(await rows_of(bench, stationId="cs1", status="Active,Pending")) == 6
    assert await rows_of(bench, status="Used") == []
    assert await refusal(bench, "/reservations.csv", status="Gone") == (400, "status")


async def test_no_cell_begins_a_formula(bench: Bench) -> None:
    """Tokens and stations are called what others like; commas and quotes stay in their cell."""
    storage, clock = bench.storage, bench.clock
    for number, text in enumerate(('=cmd|"A1"', "+1", "-1", "@SUM(A1)", 'a,"b"')):
        token = IdToken(text, "Central")
        await provision.put_token(
            TokenOrder(id_token=token, status=TokenStatus.ACCEPTED), who=Actor("test"), storage=storage, clock=clock
        )
        name = f"={number}"
        await bench.calls.stations.put(PutStation(station_id=name), who=Actor("test"))
        body = {"idToken": text, "type": "Central"}
        assert (await bench.reserve(idToken=body, stationId=name)).status_code == 201
    rows = await rows_of(bench)
    assert [row["idToken"] for row in rows[::-1]] == ['\'=cmd|"A1"', "'+1", "'-1", "'@SUM(A1)", 'a,"b"']
    assert {row["stationId"] for row in rows} == {f"'={number}" for number in range(5)}


# Calls, frames, the switch


async def test_actions_come_with_the_schema_of_their_payload(bench: Bench) -> None:
    """Those that an operator may send; readable with the objects in them."""
    told = await get(bench, "/calls")
    by_action = {one["action"]: one["schema"] for one in told}  # type: ignore[index,call-overload]  # a list of objects
    assert by_action["Reset"]["required"] == ["type"]
    assert by_action["Reset"]["properties"]["type"]["enum"] == ["Immediate", "OnIdle"]
    assert by_action["SetVariables"]["$defs"]["ComponentType"]["required"] == ["name"]


async def test_frames_are_told_from_a_number_on(bench: Bench) -> None:
    """Who looks each second asks for what is new."""
    frames = bench.stations.frames
    for number in range(4):
        frames.add("CS1", "in", bench.clock.now(), b'[2,"%d","Heartbeat",{}]' % number)
    told = await get(bench, "/stations/CS1/messages")
    last = told[0]["number"]  # type: ignore[index,call-overload]  # a list
    assert await get(bench, "/stations/CS1/messages", after=str(last)) == []
    two = await get(bench, "/stations/cs1/messages", after=str(last - 2))
    assert [one["number"] for one in two] == [last, last - 1]  # type: ignore[index,call-overload]  # a list
    for wrong in ("-1", "x", str(2**63)):
        assert await refusal(bench, "/stations/CS1/messages", after=wrong) == (400, "after")


async def test_reservations_are_switched_on_and_off(bench: Bench) -> None:
    """200 with the station as it is then."""
    url = "/api/v1/stations/cs1/capabilities"
    for enabled in (False, True):
        answer = await bench.client.put(url, headers=bench.auth(Role.OPERATOR), json={"enabled": enabled})
        assert (answer.status_code, answer.json()["reservations"]["enabled"]) == (200, enabled)
    assert (await bench.client.put(url, headers=bench.auth(), json={"enabled": 1})).status_code == 400
    gone = await bench.client.put("/api/v1/stations/NO/capabilities", headers=bench.auth(), json={"enabled": True})
    assert gone.json()["type"] == "/problems/station-unknown"


async def test_a_switch_that_failed_says_how(bench: Bench) -> None:
    """The station's own word, or why there is none."""
    cases = (
        (CallResult(payload=b'{"status":"Rejected"}'), 409, "variable-refused"),
        (CallResult(payload=b'{"status":"RebootRequired"}'), 409, "variable-refused"),
        (CallFailed(code="NotSupported", description="no"), 502, "station-call-error"),
        (NoAnswer(reason="timeout"), 504, "station-silent"),
        (NeverSent(reason="station-offline"), 503, "station-offline"),
        (NeverSent(reason="station-busy"), 503, "station-busy"),
    )
    for outcome, status, name in cases:
        bench.stations.call_answer = outcome
        answer = await bench.client.put(
            "/api/v1/stations/CS1/capabilities", headers=bench.auth(), json={"enabled": False}
        )
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")
        if isinstance(outcome, CallResult):
            assert answer.json()["attributeStatus"] in ("Rejected", "RebootRequired")
            assert answer.json()["variable"] == "ReservationCtrlr.Enabled"
    told = await get(bench, "/stations/CS1")
    assert told["reservations"] == {"available": None, "enabled": None, "nonEvseSpecific": None}
