"""Settings: where they come from, which wins, and how a bad one is named."""

from pathlib import Path

import pytest

from evhold.config import ConfigError, load
from evhold.options import OPTIONS
from evhold.settings import Address, Settings


def load_from(text: str = "", *, path: Path, given: dict[str, object] | None = None, **environment: str) -> Settings:
    """Load with this file, these flags and this environment."""
    file = path / "evhold.toml"
    file.write_text(text, encoding="utf-8")
    return load(given or {}, environment=environment, file=file)


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    """Nothing given: loopback, SQLite, reject, 30 and 60 seconds."""
    settings = load_from(path=tmp_path)
    assert settings == Settings()
    assert (str(settings.api), str(settings.stations)) == ("127.0.0.1:8080", "127.0.0.1:9000")
    assert (settings.call_timeout, settings.expiry_grace, settings.restore_delay) == (30, 30, 60)
    assert settings.given == frozenset()


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    """Each source is used where the stronger ones are silent."""
    text = 'call-timeout = 1\nexpiry_grace = 1\nrestore-delay = 1\nunknown-stations = "accept"'
    environment = {"EVHOLD_CALL_TIMEOUT": "2", "EVHOLD_EXPIRY_GRACE": "2"}
    settings = load_from(text, path=tmp_path, given={"call_timeout": "3", "api": None}, **environment)
    assert (settings.call_timeout, settings.expiry_grace, settings.restore_delay) == (3, 2, 1)
    assert settings.unknown_stations == "accept"
    assert settings.given == {"call_timeout", "expiry_grace", "restore_delay", "unknown_stations"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_has_a_field_and_a_variable(option: object) -> None:
    """The table and Settings name the same things."""
    assert option.field in Settings.__struct_fields__  # type: ignore[attr-defined]
    assert option.variable == "EVHOLD_" + option.name.replace("-", "_").upper()  # type: ignore[attr-defined]


def test_the_table_has_every_setting() -> None:
    """No field is out of reach."""
    assert {option.field for option in OPTIONS} == {*Settings.__struct_fields__} - {"given"}


@pytest.mark.parametrize(
    ("text", "environment", "culprit"),
    [
        ("colour = 1", {}, "colour"),
        ("call-timeout = 0", {}, "call-timeout"),
        ("call-timeout = true", {}, "call-timeout"),
        ("max-stations = -1", {}, "max-stations"),
        ("max-stations = 1.5", {}, "max-stations"),
        ("[broken", {}, "evhold.toml"),
        ('api = "8080"', {}, "api"),
        ('api = "h:99999"', {}, "api"),
        ("", {"EVHOLD_COLOUR": "1"}, "EVHOLD_COLOUR"),
        ("", {"EVHOLD_INSECURE": "maybe"}, "EVHOLD_INSECURE"),
        ("", {"EVHOLD_DATABASE": "mysql://x"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_DATABASE": "sqlite://evhold.db"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_DATABASE": "sqlite:///"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_DATABASE": "postgres://u:p@h/d"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_DATABASE": "postgresql://u:p@h"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_DATABASE": "postgresql://u:p@ss@h/d"}, "EVHOLD_DATABASE"),
        ("", {"EVHOLD_ADMIN_KEY": "short"}, "EVHOLD_ADMIN_KEY"),
        ("", {"EVHOLD_UNKNOWN_TOKENS": "perhaps"}, "EVHOLD_UNKNOWN_TOKENS"),
        ("", {"EVHOLD_WEBHOOK_ALLOW": "10.0.0.1/8"}, "EVHOLD_WEBHOOK_ALLOW"),
        ("", {"EVHOLD_OIDC_ISSUER": "id.example"}, "EVHOLD_OIDC_ISSUER"),
        ("", {"EVHOLD_OIDC_ISSUER": "http://id.example"}, "EVHOLD_OIDC_ISSUER"),
        ("", {"EVHOLD_OIDC_ISSUER": "http://127.0.0.1.id.example"}, "EVHOLD_OIDC_ISSUER"),
        ("", {"EVHOLD_OIDC_ISSUER": "https://user@id.example"}, "EVHOLD_OIDC_ISSUER"),
        ("", {"EVHOLD_OIDC_ISSUER": "https://id.example?realm=a"}, "EVHOLD_OIDC_ISSUER"),
        ("oidc-audience = []", {}, "oidc-audience"),
        ('oidc-role = "chief=cpo"', {}, "oidc-role"),
        ('oidc-role = "admin="', {}, "oidc-role"),
        ('oidc-role = ["admin=cpo", "driver=cpo"]', {}, "oidc-role"),
    ],
)
def test_a_bad_setting_is_named_in_one_line(
    text: str, environment: dict[str, str], culprit: str, tmp_path: Path
) -> None:
    """ConfigError tells the place and what would do."""
    with pytest.raises(ConfigError) as caught:
        load_from(text, path=tmp_path, **environment)
    assert culprit in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_issuer_is_named_as_its_tokens_do(tmp_path: Path) -> None:
    """With the slash at its end where it has one; in clear on this machine alone. Roles and audiences may be lists."""
    for url in (
        "https://acme.eu.auth0.com/",
        "https://id.example:8443/realms/cpo",
        "http://localhost:1/r",
        "http://[::1]:1",
    ):
        assert load_from(path=tmp_path, given={"oidc_issuer": url}).oidc_issuer == url
    text = 'oidc-audience = "a, b"\noidc-role = ["admin=cn=ops,dc=cpo", "operator = Night shift"]'
    settings = load_from(text, path=tmp_path)
    assert settings.oidc_audience == ("a", "b")
    assert settings.oidc_role == (("admin", "cn=ops,dc=cpo"), ("operator", "Night shift"))


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    """A missing evhold.toml is fine, a missing --config is not."""
    with pytest.raises(ConfigError):
        load({}, environment={}, file=tmp_path / "none.toml")


def test_variables_that_are_no_settings_are_passed_over(tmp_path: Path) -> None:
    """The terminal's own, and what an orchestrator makes for a service of this name."""
    others = {"EVHOLD_KEY": "k", "EVHOLD_URL": "u", "EVHOLD_PORT": "tcp://1", "EVHOLD_SERVICE_HOST": "h", "PATH": ""}
    assert load_from(path=tmp_path, **others) == Settings()


def test_addresses_are_read_and_shown(tmp_path: Path) -> None:
    """IPv6 in brackets, an empty host is every interface, loopback is known."""
    settings = load_from(path=tmp_path, given={"api": "[::1]:1", "stations": ":2"})
    assert (settings.api, str(settings.api)) == (Address("::1", 1), "[::1]:1")
    assert (settings.stations, settings.stations.is_loopback) == (Address("0.0.0.0", 2), False)
    assert settings.api.is_loopback
    assert Address("localhost", 1).is_loopback


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h:5432/d?ssl=require", "postgresql://u:***@h:5432/d?ssl=require"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("sqlite:///evhold.db", "sqlite:///evhold.db"),
    ],
)
def test_a_password_in_the_database_url_is_shown_to_nobody(url: str, shown: str) -> None:
    """In what is said of it; the driver gets it."""
    settings = load({"database": url}, environment={}, file=None)
    assert (settings.database, settings.shown_database) == (url, shown)
