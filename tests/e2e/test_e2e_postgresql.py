"""`evhold serve --database postgresql://...`: a reservation from the API to the station, its use, and a restart."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from e2e_stage import FREE, RESERVED, journey, online, reserved, said, told

from csms import Csms
from postgres import Postgres, running_postgres

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def mortal() -> Iterator[Postgres]:
    """A database server of this module's own."""
    with running_postgres() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def on_postgres(tmp_path_factory: pytest.TempPathFactory, mortal: Postgres) -> AsyncIterator[Csms]:
    """A running server on an empty database, which it made its own."""
    server = Csms(tmp_path_factory.mktemp("csms"), url=mortal.create_empty())
    await server.start()
    yield server
    await server.close()


async def test_a_reservation_lives_and_ends(on_postgres: Csms) -> None:
    """Accepted, told, refused to a second one, canceled; the connector follows."""
    async with online(on_postgres, "PG-1"):
        body = await reserved(on_postgres, "PG-1", evseId=1)
        await on_postgres.until_connectors("PG-1", {(1, 1): RESERVED})
        second = await on_postgres.reserve("PG-1", evseId=1)
        assert second.status_code == 409
        answer = await on_postgres.request("DELETE", f"/reservations/{body['id']}")
        assert answer.status_code == 200, answer.text
        await on_postgres.until_connectors("PG-1", {(1, 1): FREE})
        assert await journey(on_postgres, body["id"]) == [
            (None, "Pending"),
            ("Pending", "Active"),
            ("Active", "Canceled"),
        ]
        events = await told(on_postgres, "reservation.canceled", stationId="PG-1", name="reservation.*")
        assert [event.name for event in events] == ["reservation.accepted", "reservation.canceled"]
        assert events[0].id < events[1].id


async def test_the_sweep_expires_what_its_station_forgot(on_postgres: Csms) -> None:
    """By our own clock, when no report comes."""
    async with online(on_postgres, "PG-2", faulty={"no_update": True}):
        body = await reserved(on_postgres, "PG-2", evseId=1, seconds=1)
        await on_postgres.until(body["id"], "Expired")


async def test_a_restart_goes_on_with_what_was_stored(on_postgres: Csms) -> None:
    """Ids go on, and a live reservation is still there."""
    async with online(on_postgres, "PG-3"):
        first = await reserved(on_postgres, "PG-3", evseId=1)
        await on_postgres.stop()
        await on_postgres.start()
        assert (await on_postgres.reservation(first["id"]))["status"] == "Active"
    async with online(on_postgres, "PG-4"):
        second = await reserved(on_postgres, "PG-4", evseId=1)
        assert second["id"] > first["id"]


async def readiness(server: Csms, wanted: int) -> None:
    """The node says so."""
    while (await server.http.get(f"{server.api}/readyz")).status_code != wanted:
        await asyncio.sleep(0)


async def test_a_database_that_went_away_is_told_and_found_again(on_postgres: Csms, mortal: Postgres) -> None:
    """An order is refused with 503, and nobody is ready; both pass by themselves, and the station stays connected."""
    async with online(on_postgres, "PG-5") as station:
        await asyncio.to_thread(mortal.stop, signal.SIGQUIT)
        assert (await on_postgres.reserve("PG-5", evseId=1)).status_code == 503
        await readiness(on_postgres, 503)
        await asyncio.to_thread(mortal.start)
        await readiness(on_postgres, 200)
        await reserved(on_postgres, "PG-5", evseId=1)
        await on_postgres.until_connectors("PG-5", {(1, 1): RESERVED})
        assert len(said(station, "BootNotification")) == 1
