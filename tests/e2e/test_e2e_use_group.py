"""H03 S2 and uses that are told late: members of the group, and stations that were offline."""

import pytest
from e2e_stage import (
    DRIVER,
    FREE,
    GROUP,
    OCCUPIED,
    RESERVED,
    answered,
    id_token,
    journey,
    online,
    problem,
    register,
    reserved,
    said,
    told,
)

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

MEMBER = "4E4D4201"
TARGETS = [
    pytest.param({"evseId": 1}, id="evse", marks=pytest.mark.req("H03.FR.04")),
    pytest.param({"connectorType": "cCCS2"}, id="type", marks=pytest.mark.req("H03.FR.05")),
    pytest.param({}, id="any", marks=pytest.mark.req("H03.FR.06")),
]


@pytest.mark.req("H03.FR.08", "E01.FR.12")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cable_first", [False, True], ids=["A", "B"])
async def test_s2_a_member_of_the_group(csms, target, cable_first):
    """Authorize and TransactionEvent are answered with groupIdToken; Used and proven by the member's token."""
    name = f"S2-{cable_first}-{len(target) and next(iter(target))}"
    await register(csms, MEMBER, group=GROUP)
    async with online(csms, name, evses=1, tx_start_point="EVConnected") as station:
        body = await reserved(csms, name, groupIdToken=GROUP, **target)
        await csms.until_connectors(name, {(1, 1): RESERVED})
        if cable_first:
            await station.plug_in(1)
        assert (await station.present(1, MEMBER)).outcome == "Accepted"
        if not cable_first:
            await csms.until_connectors(name, {(1, 1): FREE})
            await station.plug_in(1)
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["usedBy"], known["tokenMismatch"], known["usedEvseId"]) == (id_token(MEMBER), False, 1)
        await csms.until_connectors(name, {(1, 1): OCCUPIED})
        info = {"status": "Accepted", "groupIdToken": GROUP}
        assert answered(station, "Authorize") == [{"idTokenInfo": info}]
        with_token = [answer for answer in answered(station, "TransactionEvent") if "idTokenInfo" in answer]
        assert with_token == [{"idTokenInfo": info}]


async def test_a_member_of_another_group_is_refused(csms):
    """Authorize names the other group, the station refuses, and the reservation stays Active."""
    await register(csms, "07E40000", group=id_token("GROUP002", "Central"))
    async with online(csms, "OTHER-GROUP") as station:
        body = await reserved(csms, "OTHER-GROUP", evseId=1, groupIdToken=GROUP)
        await csms.until_connectors("OTHER-GROUP", {(1, 1): RESERVED})
        assert (await station.present(1, "07E40000")).outcome == "Refused"
        assert answered(station, "Authorize")[0]["idTokenInfo"]["groupIdToken"]["idToken"] == "GROUP002"
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        assert (await csms.connectors("OTHER-GROUP"))[1, 1] == RESERVED


async def test_a_token_without_a_group_is_told_none(csms):
    """A token is not its own group, whatever its case, and none is made up for it."""
    own = {"status": "Accepted", "groupIdToken": id_token("0000a109")}
    answer = await csms.request("PUT", "/tokens/ISO14443/0000A109", json=own)
    problem(answer, status=400, name="invalid-request")
    await register(csms, "0000A109")
    async with online(csms, "ALONE") as station:
        await station.present(1, "0000A109")
        assert answered(station, "Authorize") == [{"idTokenInfo": {"status": "Accepted"}}]


@pytest.mark.req("H03.FR.09")
async def test_a_member_known_from_the_cache_is_not_asked_for(csms):
    """The second use comes without Authorize and is proven all the same."""
    member = "4E4D4202"
    await register(csms, member, group=GROUP)
    async with online(csms, "CACHE", cache=True) as station:
        for count in (1, 2):
            body = await reserved(csms, "CACHE", evseId=1, groupIdToken=GROUP)
            await station.present(1, member)
            await station.plug_in(1)
            await csms.until(body["id"], "Used", proven=True)
            await station.unplug(1)
            assert (len(said(station, "Authorize")), count) in {(1, 1), (1, 2)}


@pytest.mark.req("E04.FR.01", "E04.FR.03", "H01.FR.15")
async def test_a_use_while_the_station_was_away(csms):
    """Told with offline: true after the reconnect; Used and proven."""
    async with online(csms, "OFFLINE") as station:
        body = await reserved(csms, "OFFLINE", evseId=1)
        await station.go_offline()
        await station.present(1, DRIVER)
        await station.plug_in(1)
        assert (await csms.reservation(body["id"]))["status"] == "Active"
        await station.go_online()
        await csms.until(body["id"], "Used", proven=True)
        assert said(station, "TransactionEvent")[0]["offline"] is True
        await csms.until_connectors("OFFLINE", {(1, 1): OCCUPIED})


@pytest.mark.req("E04.FR.01", "E04.FR.02", "E04.FR.03")
@pytest.mark.row(36)
async def test_a_use_in_time_that_is_told_after_our_sweep(csms):
    """Expired by our own sweep, then Used: the event's own stamp counts, not its arrival."""
    async with online(csms, "LATE-USE") as station:
        body = await reserved(csms, "LATE-USE", evseId=1, seconds=1.5)
        await station.go_offline()
        await station.present(1, DRIVER)
        await station.plug_in(1)
        await csms.until(body["id"], "Expired", confirmed=False)
        await station.go_online()
        known = await csms.until(body["id"], "Used", proven=True)
        assert (known["confirmed"], known["usedBy"]) == (True, id_token())
        steps = await journey(csms, body["id"])
        assert steps[-2:] == [("Active", "Expired"), ("Expired", "Used")]
        events = await told(csms, "reservation.used", stationId="LATE-USE", name="reservation.*")
        assert [event.name for event in events][-2:] == ["reservation.expired", "reservation.used"]


@pytest.mark.req("E13")
async def test_an_event_that_is_sent_twice(csms):
    """The same transactionId and seqNo again changes nothing: one history row, one event."""
    async with online(csms, "TWICE", tx_start_point="EVConnected") as station:
        body = await reserved(csms, "TWICE", evseId=1)
        await station.present(1, DRIVER)
        await station.plug_in(1)
        await csms.until(body["id"], "Used", proven=True)
        before = await csms.history(body["id"])
        frame = next(one for one in station.frames if one.sent and b'"reservationId"' in one.text)
        old_id = frame.text.split(b'"')[1]
        await station.settled()
        station._transport.send(1, frame.text.replace(old_id, b"sent-again"))
        await station.wait_for(lambda: any(b"sent-again" in one.text for one in station.frames if not one.sent))
        assert await csms.history(body["id"]) == before
