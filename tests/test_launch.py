"""A node as a process: which settings go together, and the limit of open files."""

import resource

import pytest

from evhold import launch
from evhold.config import ConfigError
from evhold.settings import Address, Settings

ANYWHERE = Address("0.0.0.0", 9000)


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        (Settings(unknown_stations="accept", stations=ANYWHERE), "--unknown-stations"),
        (Settings(stations=ANYWHERE), "--stations"),
        (Settings(stations=Address("::", 9000)), "--stations"),
        (Settings(stations=Address("csms.example", 9000)), "--stations"),
        (Settings(nats="nats://127.0.0.1:4222"), "--nats"),
        (Settings(nats="nats://127.0.0.1:4222", database="sqlite:///evhold.db"), "--nats"),
        (Settings(tls_key=("key.pem",)), "--tls-key"),
        (Settings(tls_client_ca="ca.pem"), "--tls-client-ca"),
        (Settings(tls_cert=("rsa.pem", "ecdsa.pem"), tls_key=("key.pem",)), "--tls-key"),
        (Settings(oidc_issuer="https://id.example"), "--oidc-issuer"),
        (Settings(oidc_audience=("a",), given=frozenset({"oidc_audience"})), "--oidc-audience"),
        (Settings(oidc_roles_claim="r", given=frozenset({"oidc_roles_claim"})), "--oidc-roles-claim"),
        (Settings(tls_cert=("cert.pem",), stations=ANYWHERE, unknown_stations="accept"), "--unknown-stations"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: Settings, culprit: str) -> None:
    """In one line that names the option: an open door beyond this machine has to be asked for by name."""
    with pytest.raises(ConfigError) as refused:
        launch.check_settings(settings)

    assert str(refused.value).startswith(culprit)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(unknown_stations="accept"),
        Settings(unknown_stations="accept", stations=Address("::1", 9000)),
        Settings(unknown_stations="accept", stations=ANYWHERE, insecure=True),
        Settings(nats="nats://127.0.0.1:4222", database="postgresql://evhold@db/evhold"),
        Settings(oidc_issuer="https://id.example", oidc_audience=("evhold",)),
    ],
)
def test_settings_that_go_together_pass(settings: Settings) -> None:
    """On loopback everybody may be let in; beyond it with --insecure."""
    launch.check_settings(settings)


@pytest.mark.parametrize(("hard", "said"), [(65_536, 0), (20_000, 0), (1_024, 1), (resource.RLIM_INFINITY, 0)])
def test_the_file_limit_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch, hard: int, said: int) -> None:
    """And it is said when that is too low for the stations that may come."""
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, wanted: limits.append((which, wanted)))
    lines: list[str] = []
    launch.raise_file_limit(20_000, say=lines.append)

    assert limits == [(resource.RLIMIT_NOFILE, (hard, hard))]
    assert len(lines) == said
    assert all("--max-stations" in line and str(hard) in line for line in lines)
