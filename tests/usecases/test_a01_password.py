"""A01: whatever becomes of the question, what the station may have is valid, and nothing that it refused is."""

from dataclasses import dataclass, field

import pytest
from usecase_fakes import CLI, CountedIds, MemoryStorage, MovedClock, ScriptedStations, connected

from evhold.domain.credentials import hash_password
from evhold.domain.errors import InvalidOrder, PasswordChangePending, StationOffline, StationUnknown
from evhold.domain.station import Credentials, Registration, Station
from evhold.domain.variables import Variable
from evhold.usecases import a01_password
from evhold.usecases.a01_password import Changed, NotTaken, Taken
from evhold.usecases.ports import CallFailed, NeverSent, NoAnswer

OLD, NEW, THIRD = "the-old-password-1", "the-new-password-2", "the-third-password"


class Died(BaseException):
    """The process is gone."""


def told(status):
    """The station's answer."""
    return [Variable(component="SecurityCtrlr", variable="BasicAuthPassword", status=status)]


@dataclass
class World:
    """CS1 with its old password, and what it answers next."""

    storage: MemoryStorage = field(default_factory=MemoryStorage)
    stations: ScriptedStations = field(default_factory=ScriptedStations)
    ids: CountedIds = field(default_factory=CountedIds)
    outcome: object = field(default_factory=lambda: told("Accepted"))
    asked: list = field(default_factory=list)
    valid_then: list = field(default_factory=list)

    def __post_init__(self):
        self.put()

    def put(self, **station):
        """CS1 is provisioned."""
        credentials = Credentials(station_id="CS1", password_salt=b"s", password_hash=hash_password(b"s", OLD))
        profile = station.pop("security_profile", None)
        if profile is not None:
            credentials = Credentials(station_id="CS1", security_profile=profile)
        self.storage.now.stations.put(Station(id="CS1", **station), credentials=credentials)

    async def set(self, station_id, wanted):
        """ports.Variables: what is valid by now is noted."""
        self.asked.append(wanted[0])
        self.valid_then = self.valid()
        if self.outcome is Died:
            raise Died
        return self.outcome

    @property
    def known(self):
        (known,) = self.storage.now.stations.credentials(["CS1"])
        return known

    def valid(self):
        """Which of the three opens the door."""
        known = self.known
        pairs = [(known.password_salt, known.password_hash), (known.next_salt, known.next_hash)]
        return [one for one in (OLD, NEW, THIRD) if any(h == hash_password(s, one) for s, h in pairs if h)]

    async def change(self, password=NEW, outcome=None):
        """The order, with this answer."""
        self.outcome = self.outcome if outcome is None else outcome
        return await a01_password.change(
            a01_password.Order(station_id="cs1", password=password, who=CLI),
            storage=self.storage,
            enduring=self.storage,
            variables=self,
            stations=self.stations,
            clock=MovedClock(),
            ids=self.ids,
        )

    async def comes(self, by, *, offer=None, restarted=False):
        """A connection by this password, and a boot over it if it restarted."""
        connection = connected(password=by, offer=offer or self.known.next_salt)
        await a01_password.connected(connection, storage=self.storage, clock=MovedClock())
        if restarted:
            await a01_password.restarted(connection, storage=self.storage, clock=MovedClock())


@pytest.fixture
def world():
    """A world of its own."""
    return World()


@pytest.mark.req("A01.FR.03")
async def test_both_are_valid_before_it_is_sent_and_the_new_one_alone_once_it_is_accepted(world):
    """As OCPP's variable, and told to the gates; the audit says who, and no password."""
    done = await world.change()

    assert world.valid_then == [OLD, NEW]
    assert world.valid() == [NEW]
    assert done == Changed(station_id="CS1", taken=Taken.ACCEPTED)
    assert (world.asked[0].component, world.asked[0].variable, world.asked[0].value) == (
        "SecurityCtrlr",
        "BasicAuthPassword",
        NEW,
    )
    assert [event.key for event in world.storage.told] == ["CS1", "CS1"]
    assert world.storage.tables.audit == [("cli", "change password", "CS1", "offered")]
    assert [one.type.value for one in world.storage.tables.security_events] == ["ReconfigurationOfSecurityParameters"]


@pytest.mark.req("A01.FR.06", "A01.FR.07", "A01.FR.08")
async def test_one_that_is_made_is_shown_and_kept_as_a_salted_hash(world):
    """It is of the ids' making, and stands nowhere as it is."""
    done = await world.change(password=None)

    assert done.password == world.asked[0].value
    assert world.known.password_hash == hash_password(world.known.password_salt, done.password)
    assert world.known.password_salt != b"s"
    assert done.password not in repr(world.storage.tables)


@pytest.mark.req("A01.FR.04")
@pytest.mark.parametrize("status", ["Rejected", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"])
async def test_one_that_is_refused_is_not_valid(world, status):
    """The old one is the only one, and the next change may begin."""
    assert await world.change(outcome=told(status)) == NotTaken(status)
    assert world.valid() == [OLD]
    assert await world.change(THIRD, outcome=told("Accepted")) == Changed(station_id="CS1", taken=Taken.ACCEPTED)


@pytest.mark.parametrize(
    "outcome", [CallFailed(code="InternalError", description=f"no {NEW} here"), NeverSent(reason="station-busy")]
)
async def test_one_that_was_not_taken_or_never_left_is_not_valid(world, outcome):
    """What became of it is handed on, without the password that some stations repeat."""
    done = await world.change(outcome=outcome)

    assert world.valid() == [OLD]
    assert type(done) is type(outcome)
    assert NEW not in repr(done)


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        (NoAnswer(reason="timeout"), Taken.UNCONFIRMED),
        (NoAnswer(reason="connection-lost"), Taken.UNCONFIRMED),
        ([], Taken.UNCONFIRMED),
        (told("RebootRequired"), Taken.REBOOT_REQUIRED),
    ],
)
async def test_both_stay_valid_until_the_station_shows_which_it_has(world, outcome, taken):
    """By the new one: that it is. By the old one: nothing yet. By the old one after a restart: that it is."""
    for restarted, by, left in ((False, "new", NEW), (True, "old", OLD)):
        world.put()
        assert await world.change(outcome=outcome) == Changed(station_id="CS1", taken=taken)
        await world.comes("old")
        assert world.valid() == [OLD, NEW]
        await world.comes(by, restarted=restarted)
        assert world.valid() == [left]
        assert world.storage.tables.audit[-1][0] == "station"


async def test_both_are_valid_after_a_crash(world):
    """The process died between question and answer: whichever the station has gets it in, and settles it."""
    with pytest.raises(Died):
        await world.change(outcome=Died)
    assert world.valid() == [OLD, NEW]
    await world.comes("new")
    assert world.valid() == [NEW]


async def test_no_third_one_is_offered_but_the_same_one_may_be_again(world):
    """A No to the repetition settles nothing: the station may have it since the first time. Accepted does."""
    await world.change(outcome=NoAnswer(reason="timeout"))
    for password in (THIRD, None):
        with pytest.raises(PasswordChangePending):
            await world.change(password)
    assert await world.change(NEW, outcome=told("Rejected")) == NotTaken("Rejected")
    assert world.valid() == [OLD, NEW]
    assert await world.change(NEW, outcome=told("Accepted")) == Changed(station_id="CS1", taken=Taken.ACCEPTED)
    assert world.valid() == [NEW]


async def test_a_connection_says_nothing_of_an_offer_after_it(world):
    """The door was opened by what was offered before: the newer offer stays open."""
    await world.change(outcome=NoAnswer(reason="timeout"))
    await world.comes("new", offer=b"another")
    await world.comes("old", offer=b"another", restarted=True)
    assert world.valid() == [OLD, NEW]


async def test_a_connection_while_there_is_one_password_costs_nothing(world):
    """No transaction."""
    before = world.storage.writes
    await world.comes(None, restarted=True)
    assert world.storage.writes == before


async def test_a_station_that_was_removed_meanwhile_settles_nothing(world):
    """Nor does it fail."""
    await world.change(outcome=NoAnswer(reason="timeout"))
    offer = world.known.next_salt
    world.storage.now.stations.remove("CS1")
    await world.comes("new", offer=offer)
    assert world.storage.now.stations.find("CS1") is None


@pytest.mark.parametrize(
    ("station", "online", "password", "error"),
    [
        ({}, False, NEW, StationOffline),
        ({"boot_status": Registration.REJECTED}, True, NEW, StationOffline),
        ({"security_profile": 3}, True, NEW, InvalidOrder),
        ({}, True, "x" * 15, InvalidOrder),
        ({}, True, "x" * 41, InvalidOrder),
        ({}, True, "a space is not of it", InvalidOrder),
    ],
)
async def test_what_can_not_be_is_refused_before_anything_is_stored(world, station, online, password, error):
    """An absent or Rejected station, one that has a certificate, and what no passwordString is."""
    world.put(**station)
    world.stations.online = online
    with pytest.raises(error):
        await world.change(password)
    assert (world.asked, world.storage.writes, world.storage.tables.audit) == ([], 0, [])


async def test_nobody_has_no_password(world):
    """StationUnknown."""
    world.storage.now.stations.remove("CS1")
    with pytest.raises(StationUnknown):
        await world.change()


@pytest.mark.parametrize("length", [16, 40])
async def test_the_shortest_and_the_longest_are_taken(world, length):
    """Of every character that a passwordString may have."""
    password = ("aZ09*-_=:+|@." * 4)[:length]
    assert (await world.change(password)).taken is Taken.ACCEPTED
    assert world.known.password_hash == hash_password(world.known.password_salt, password)
