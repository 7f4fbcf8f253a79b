"""`evhold serve` with an identity provider, as a process; and without the extra that this needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from csms import Csms
from evhold.cli.app import run
from oidc_issuer import AUDIENCE, issuing


@pytest.mark.process
async def test_a_server_takes_the_tokens_of_the_issuer_that_it_was_told_of(tmp_path: Path) -> None:
    """By the options' claim and mapping; who it was stands in the audit, and the token in no line that is printed."""
    async with issuing() as issuer:
        told = ("--oidc-issuer", issuer.url, "--oidc-audience", f"other, {AUDIENCE}")
        roles = ("--oidc-roles-claim", "realm_access.roles", "--oidc-role", "operator=cpo-ops,driver=app-user")
        csms = Csms(tmp_path, options=(*told, *roles, "--oidc-tokens-claim", "cards"))
        try:
            await csms.start()
            assert issuer.asked == []
            tokens = {
                "operator": issuer.token(sub="desk", realm_access={"roles": ["cpo-ops"]}),
                "driver": issuer.token(sub="driver", realm_access={"roles": ["app-user"]}, cards=["AABB"]),
                "nobody": issuer.token(realm_access={"roles": ["admin"]}),
                "elsewhere": issuer.token(aud="shop", realm_access={"roles": ["cpo-ops"]}),
            }
            asked = {
                name: await csms.request("PUT", "/stations/CS1", json={}, headers={"Authorization": f"Bearer {one}"})
                for name, one in tokens.items()
            }
            assert {name: one.status_code for name, one in asked.items()} == {
                "operator": 201,
                "driver": 403,
                "nobody": 403,
                "elsewhere": 401,
            }
            audit = (await csms.request("GET", "/audit")).json()
            assert [one["who"] for one in audit if one["stationId"] == "CS1"] == ["oidc:desk"]
        finally:
            await csms.close()
    printed = "\n".join(csms.output)
    assert "login.failed" in printed
    assert "aud" in printed
    assert not [one for one in tokens.values() if one in printed or one.split(".")[2] in printed]


def test_without_the_extra_an_issuer_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the extra, and exit code 2."""
    monkeypatch.setitem(sys.modules, "joserfc", None)
    monkeypatch.chdir(tmp_path)
    assert run(["serve", "--oidc-issuer", "https://id.example", "--oidc-audience", "evhold"]) == 2
    said = capsys.readouterr().err
    assert said == "evhold: --oidc-issuer: needs the extra oidc: pip install 'evhold[oidc]'\n"


@pytest.mark.process
def test_nobody_needs_the_extra_who_has_no_issuer(tmp_path: Path) -> None:
    """A whole node is built without the library."""
    work = (
        "import sys; sys.modules['joserfc'] = sys.modules['cryptography'] = None\n"
        "from evhold.bootstrap import App\nfrom evhold.settings import Settings\n"
        f"App(Settings(database='sqlite:///{tmp_path}/x.db'))"
    )
    done = subprocess.run([sys.executable, "-c", work], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
