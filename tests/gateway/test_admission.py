"""The decision about a handshake, without a socket."""

import base64

import pytest

from evhold.domain.credentials import hash_password
from evhold.domain.station import Credentials
from evhold.domain.values import StationId
from evhold.gateway.admission import Admission, Gatekeeper, Refusal

SALT = b"0123456789abcdef"
KNOWN = {
    "cs-1": Credentials(
        station_id=StationId("CS-1"), password_salt=SALT, password_hash=hash_password(SALT, "pa:ss wörd")
    ),
    "let in": Credentials(station_id=StationId("Let in")),
    "open": Credentials(station_id=StationId("open"), security_profile=0),
}


def decide(path: str, authorization: str | None = None, *, unknown_stations: str = "reject") -> Admission | Refusal:
    """What the gatekeeper says."""
    headers = {} if authorization is None else {"authorization": authorization}
    return Gatekeeper(KNOWN.get, unknown_stations).decide(path, headers=headers)


def basic(text: str, scheme: str = "Basic") -> str:
    """An Authorization header."""
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("path", ["/ocpp/CS-1", "/ocpp/cs-1", "/ocpp/CS%2D1", "/ocpp/cs%2d1?x=y"])
@pytest.mark.parametrize("header", [basic("CS-1:pa:ss wörd"), basic("cs-1:pa:ss wörd", "bAsIc")])
def test_the_right_password_is_admitted(path, header):
    """The id is percent-decoded and compared without case; a password may hold colons and any letter."""
    assert decide(path, header) == Admission(StationId("CS-1"), security_profile=1)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        basic("CS-1"),
        basic("CS-1:"),
        basic("CS-1:PA:SS WÖRD"),
        basic("CS-2:pa:ss wörd"),
        basic("CS-1:pa:ss wörd", "Bearer"),
    ],
)
def test_anything_else_is_challenged(header):
    """401, and the header that says how to do better."""
    decision = decide("/ocpp/CS-1", header)

    assert isinstance(decision, Refusal)
    assert decision.status == 401
    assert decision.headers[0][0] == "WWW-Authenticate"


@pytest.mark.parametrize(
    "path", ["/", "/ocpp", "/ocpp/", "/OCPP/CS-1", "/ocpp/CS-1/", "/ocpp/a%2Fb", "/ocpp/a%00b", "/ocpp/ö", "/ocpp/a:b"]
)
@pytest.mark.parametrize("unknown_stations", ["reject", "accept"])
def test_a_path_without_a_station_id_is_not_found(path, unknown_stations):
    """404 for what can be nobody's path."""
    assert decide(path, unknown_stations=unknown_stations) == Refusal(404, "bad-path")


def test_an_unknown_station_may_be_let_in():
    """It is marked as not provisioned; an id with a space is nobody's until somebody provisions it."""
    assert decide("/ocpp/New*1", unknown_stations="accept") == Admission(StationId("New*1"), provisioned=False)
    assert decide("/ocpp/New%201", unknown_stations="accept") == Refusal(404, "bad-station-id")
    assert decide("/ocpp/New*1") == Refusal(404, "unknown-station")


def test_a_station_without_a_password():
    """One that was let in unknown is welcome as long as unknown ones are; one of security profile 0 always is."""
    assert decide("/ocpp/let%20in", unknown_stations="accept") == Admission(StationId("Let in"))
    assert decide("/ocpp/let%20in").status == 401
    assert decide("/ocpp/open") == Admission(StationId("open"))


def test_the_longest_id_is_48_characters():
    """One more is refused."""
    assert decide("/ocpp/" + "x" * 48, unknown_stations="accept") == Admission(StationId("x" * 48), provisioned=False)
    assert decide("/ocpp/" + "x" * 49, unknown_stations="accept") == Refusal(404, "bad-path")
