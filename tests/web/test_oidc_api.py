"""Callers whom an identity provider vouches for: a real issuer, a real API, every way that a token can be wrong."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OKPKey
from structlog.testing import capture_logs
from test_roles_api import CALLERS, MATRIX
from web_bench import DRIVER, TOKEN, Bench, beside, running
from web_stage import Stage

from evhold.adapters.oidc.fetch import HttpFetch
from evhold.adapters.oidc.keys import AGAIN_S, FRESH_S, STALE_S, IssuerKeys
from evhold.adapters.oidc.tokens import LEEWAY_S, MOST_BYTES, BearerTokens
from evhold.domain.identity import ClaimRules
from evhold.domain.limits import Failures
from evhold.usecases.fresh import FRESH
from evhold.usecases.identities import Identities
from evhold.web.calls import BearerCalls
from evhold.web.limits import Limits
from evhold.web.routes import OPERATIONS
from oidc_issuer import AUDIENCE, Issuer, Moved, answered, issuing, ok, rsa

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One database for all of these; each test has an issuer, an API and stations of its own."""
    async with running(tmp_path_factory.mktemp("oidc")) as made:
        yield made


@asynccontextmanager
async def trusting(
    bench: Bench, issuer: Issuer, clock: Moved, *, failures: int = 1_000, a_second: float = 2_000, timeout_s: float = 5
) -> AsyncIterator[httpx.AsyncClient]:
    """The API, taking this issuer's tokens."""
    keys = IssuerKeys(issuer.url, clock=clock, fetch=HttpFetch(timeout_s=timeout_s, most_bytes=64 * 1024))
    check = BearerTokens(keys, issuer=issuer.url, audiences=(AUDIENCE, "api://other"), rules=ClaimRules(), clock=clock)
    discovery = f"{issuer.url}/.well-known/openid-configuration"
    bearers = BearerCalls(identify=Identities(check, clock=clock), discovery=discovery, close=keys.close)
    limits = Limits(clock, failures=Failures(failures), a_second=a_second)
    try:
        async with beside(replace(bench.calls, bearers=bearers, limits=limits, clock=clock)) as client:
            yield client
    finally:
        await keys.close()


async def ask(client: httpx.AsyncClient, token: str, path: str = "/api/v1/tokens") -> httpx.Response:
    """A call with this token."""
    return await client.get(path, headers={"Authorization": f"Bearer {token}"})


def said(answer: httpx.Response) -> tuple[int, str]:
    """Status, and the name of the problem."""
    kind = answer.json()["type"] if answer.headers["Content-Type"].startswith("application/problem") else ""
    return answer.status_code, kind.removeprefix("/problems/")


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    """A token that nobody signed."""
    return ".".join([*(_encoded(json.dumps(one).encode()) for one in (header, claims)), signature])


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    part = token.split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return told


async def test_tokens_of_the_issuer_are_taken_beside_keys_and_sessions(bench: Bench) -> None:
    """Of every algorithm with a private key; the issuer is asked when the first one comes, and not again for the others."""
    keys = [
        rsa("first"),
        ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
        OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    ]
    more: list[object] = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "enc", "use": "enc", "n": rsa("second").as_dict()["n"], "e": "AQAB"},
        {"kty": "new"},
        "no key",
    ]
    async with issuing(keys=keys, more_keys=more) as issuer, trusting(bench, issuer, Moved()) as client:
        assert issuer.asked == []
        good = [
            *(issuer.token(key=keys[0], header={"alg": alg}) for alg in ("RS256", "RS512", "PS256")),
            issuer.token(key=keys[1]),
            *(issuer.token(key=keys[2], header={"alg": alg}) for alg in ("Ed25519", "EdDSA")),
            issuer.token(aud=["account", "api://other"]),
            signed({"alg": "RS256", "kid": "first", "typ": "JWT", "x5t": "x", "more": 1}, claims_of(issuer.token())),
            issuer.token(header={"typ": None}),
            # The only one for such a signature needs no name.
            issuer.token(key=keys[1], header={"kid": None}),
        ]
        assert [said(await ask(client, one)) for one in good] == [(200, "")] * len(good)
        assert issuer.asked == [issuer.discovery_path, issuer.jwks_path]
        assert (await client.get("/api/v1/tokens", headers=bench.auth())).status_code == 200
        key = bench.auth()["Authorization"].removeprefix("Bearer ")
        assert (await client.post("/session", json={"key": key})).status_code == 200
        assert (await client.get("/api/v1/tokens")).status_code == 200
        # Nor does a token sign in on the page, where it would outlive itself.
        assert (await client.post("/session", json={"key": good[0]})).status_code == 400


async def test_no_wrong_token_gets_in(bench: Bench) -> None:
    """401 for each, with a challenge; each counts as a failed try, is logged by its address, and the token never is."""
    own, other = rsa("first"), rsa("second")
    twins = [ECKey.generate_key("P-256", {"kid": name}) for name in ("left", "right")]
    symmetric: list[object] = [{"kty": "oct", "kid": "s", "k": _encoded(b"s")}]
    async with (
        issuing(keys=[own, *twins], more_keys=symmetric) as issuer,
        issuing(keys=[rsa("second")]) as foe,
        trusting(bench, issuer, Moved()) as client,
    ):

        def digest(secret: bytes, name: str, content: bytes) -> bytes:
            return hmac.digest(secret, content, name)

        token, now = issuer.token(), claims_of(issuer.token())["iat"]
        claims = claims_of(token)
        public = own.as_pem(private=False)
        head, body, signature = token.split(".")
        foreign = {"jku": f"{foe.url}/keys", "x5u": f"{foe.url}/keys", "jwk": other.as_dict(private=False)}
        wrong = {
            "another issuer": foe.token(),
            "another issuer's key": issuer.token(key=other, header={"kid": "first"}),
            "issuer but for a slash": issuer.token(iss=issuer.url + "/"),
            "issuers": issuer.token(iss=[issuer.url]),
            "no issuer": issuer.token(iss=None),
            "another audience": issuer.token(aud="account"),
            "other audiences": issuer.token(aud=["account", "evhold2", ["evhold"]]),
            "no audience": issuer.token(aud=None),
            "an empty audience": issuer.token(aud=[]),
            "not yet valid": issuer.token(nbf=now + LEEWAY_S + 60),
            "issued in the future": issuer.token(iat=now + LEEWAY_S + 60),
            "no end": issuer.token(exp=None),
            "a wordy end": issuer.token(exp="tomorrow"),
            "an end that is true": issuer.token(exp=True),
            "an end that is no number": issuer.token(exp=float("nan")),
            "a wordy beginning": issuer.token(nbf="today"),
            "no subject": issuer.token(sub=None),
            "an empty subject": issuer.token(sub=""),
            "a subject of another kind": issuer.token(sub=["u-1"]),
            "bound to a key": issuer.token(cnf={"jkt": "x"}),
            "alg none": unsigned({"alg": "none"}, claims),
            "alg none, as it may be written": unsigned({"alg": "nOnE", "typ": "JWT"}, claims),
            "alg none, with a signature": unsigned({"alg": "none", "kid": "first"}, claims, signature),
            "HS256 with the public key": signed(
                {"alg": "HS256", "kid": "first"}, claims, partial(digest, public, "sha256")
            ),
            "HS256 with a member of the set": signed(
                {"alg": "HS256", "kid": "s"}, claims, partial(digest, b"s", "sha256")
            ),
            "an unknown key": issuer.token(key=other),
            "no key named, another's": issuer.token(key=other, header={"kid": None}),
            "no key named, one of two": issuer.token(key=twins[0], header={"kid": None}),
            "its own key set": issuer.token(key=other, header=foreign),
            "its own key set, our key's name": issuer.token(key=other, header=foreign | {"kid": "first"}),
            "critical": unsigned({"alg": "RS256", "kid": "first", "crit": ["x"], "x": 1}, claims, signature),
            "critical, and signed": signed({"alg": "RS256", "kid": "first", "crit": ["exp"], "exp": 1}, claims),
            "critical what everybody knows, and signed": signed(
                {"alg": "RS256", "kid": "first", "crit": ["kid"]}, claims
            ),
            "nothing critical, and signed": signed({"alg": "RS256", "kid": "first", "crit": []}, claims),
            "not encoded": unsigned({"alg": "RS256", "kid": "first", "b64": False, "crit": ["b64"]}, claims, signature),
            "a logout token": issuer.token(header={"typ": "logout+jwt"}),
            "a proof": issuer.token(header={"typ": "dpop+jwt"}),
            "oversized": issuer.token(more="x" * MOST_BYTES),
            "no signature": f"{head}.{body}.",
            "half a signature": f"{head}.{body}.{signature[:100]}",
            "another's signature": f"{head}.{body}.{issuer.token(sub='u-2').split('.')[2]}",
            "other claims": f"{head}.{_encoded(json.dumps(claims | {'roles': ['admin']}).encode())}.{signature}",
            "other bytes": f"{head}.{body}.{_encoded(b'x' * 256)}",
            "no JSON": f"{head}.{_encoded(b'{')}.{signature}",
            "a list": f"{head}.{_encoded(b'[]')}.{signature}",
            "nested without end": f"{head}.{_encoded(b'[' * 5_000)}.{signature}",
            "a header without end": _encoded(b'{"alg":' + b"[" * 5_000) + f".{body}.{signature}",
            "a header of odd kinds": unsigned({"alg": ["RS256"], "kid": 5}, claims, signature),
            "an odd name of a key": unsigned({"alg": "RS256", "kid": ["first"]}, claims, signature),
            "odd critical": unsigned({"alg": "RS256", "kid": "first", "crit": 5}, claims, signature),
            "an odd type": unsigned({"alg": "RS256", "kid": "first", "typ": 5}, claims, signature),
            "nothing but dots": "eyJ..",
            "a part too many": token + ".",
            "encrypted": f"{head}.{body}.{signature}.{signature}.{signature}",
        }
        with capture_logs() as logs:
            told = {name: await ask(client, one) for name, one in wrong.items()}
        assert {name: said(one) for name, one in told.items()} == dict.fromkeys(wrong, (401, "unauthorized"))
        assert all(one.headers["WWW-Authenticate"].startswith("Bearer ") for one in told.values())
        algorithms = [name for name in wrong if name.startswith(("alg", "HS256"))]
        assert [name for name in algorithms if "algorithm" not in told[name].json()["detail"]] == []
        assert told["another issuer"].json()["detail"] == "the token is of another issuer"
        assert 'error="invalid_token"' in told["alg none"].headers["WWW-Authenticate"]
        failed = [one for one in logs if one["event"] == "login.failed"]
        assert len(failed) == len(wrong)
        assert {one["address"] for one in failed} == {"127.0.0.1"}
        assert not [one for one in (*wrong.values(), signature, body) if len(one) > 9 and one in str(logs)]
        metrics = (await client.get("/metrics")).text
        assert f'evhold_failed_logins_total{{what="bearer"}} {len(wrong) - 2}.0' in metrics
        # The one good one is good throughout; nobody was asked for keys but the issuer, and for all of that once more.
        assert said(await ask(client, token)) == (200, "")
        assert foe.asked == []
        assert issuer.asked == [issuer.discovery_path, issuer.jwks_path]


def signed(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] | None = None) -> str:
    """A token whose signature is right, by the issuer's key where nothing is said, whatever its header says."""
    content = unsigned(header, claims).rpartition(".")[0]
    private = rsa("first").private_key
    assert private is not None
    signature = private.sign(content.encode(), PKCS1v15(), SHA256()) if sign is None else sign(content.encode())
    return f"{content}.{_encoded(signature)}"


async def test_one_is_told_to_wait_after_so_many_wrong_tokens_and_a_good_one_is_not(bench: Bench) -> None:
    """As after wrong keys; one that was good and has ended is no guess, and its holder fetches a new one on a 401."""
    async with issuing() as issuer, trusting(bench, issuer, Moved(), failures=5) as client:
        ended = issuer.token(exp=1_000_000_000)
        assert {said(await ask(client, ended)) for _ in range(10)} == {(401, "unauthorized")}
        wrong = [await ask(client, issuer.token(aud="account", jti=str(number))) for number in range(6)]
        assert [one.status_code for one in wrong] == [401] * 5 + [429]
        assert int(wrong[-1].headers["Retry-After"]) > 0
        assert said(await ask(client, issuer.token())) == (200, "")
        assert said(await ask(client, ended)) == (401, "unauthorized")


async def test_a_token_counts_until_it_ends_and_a_minute_by_what_was_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One signature check a minute, whatever the token's life; at its end, with some leeway, it is over at once."""
    checked: list[str] = []
    look = BearerTokens.__call__

    async def counted(self: BearerTokens, bearer: str) -> Any:
        checked.append(bearer)
        return await look(self, bearer)

    monkeypatch.setattr(BearerTokens, "__call__", counted)
    clock = Moved()
    async with issuing() as issuer, trusting(bench, issuer, clock) as client:
        long, short = issuer.token(exp=claims_of(issuer.token())["iat"] + DAY), issuer.token()
        for one in (long, short) * 3:
            assert said(await ask(client, one)) == (200, "")
        assert checked == [long, short]
        clock.seconds += FRESH.total_seconds()
        assert said(await ask(client, long)) == (200, "")
        assert checked == [long, short, long]
        clock.seconds = 300 - 10
        assert said(await ask(client, short)) == (200, "")
        clock.seconds = 300 + LEEWAY_S + 1
        answer = await ask(client, short)
        assert said(answer) == (401, "unauthorized")
        assert "expired" in answer.json()["detail"]
        number = len(checked)
        for _ in range(5):
            assert said(await ask(client, short)) == (401, "unauthorized")
        assert len(checked) == number


async def test_keys_are_changed_by_the_issuer_without_anybody_noticing(bench: Bench) -> None:
    """A key that is not known is looked for, but not more often than every ten seconds, whoever asks for one."""
    clock = Moved()
    async with issuing() as issuer, trusting(bench, issuer, clock) as client:
        old = issuer.token()
        assert said(await ask(client, old)) == (200, "")
        issuer.keys = [rsa("second")]
        new = issuer.token()
        clock.seconds += AGAIN_S
        answers = await asyncio.gather(*(ask(client, one) for one in (new, issuer.token(key=rsa("third")), new)))
        assert [one.status_code for one in answers] == [200, 401, 200]
        assert len(issuer.asked) == 4
        for _ in range(5):
            assert said(await ask(client, issuer.token(key=rsa("third")))) == (401, "unauthorized")
        assert len(issuer.asked) == 4
        # A key that the issuer has no more opens nothing, a minute later at the latest.
        clock.seconds += FRESH.total_seconds()
        assert said(await ask(client, old)) == (401, "unauthorized")
        # And nothing needs to ask for it: keys are read anew after a while, and nobody waits.
        clock.seconds += FRESH_S
        issuer.keys = [rsa("third")]
        assert said(await ask(client, issuer.token(key=rsa("second"), exp=claims_of(new)["iat"] + DAY))) == (200, "")
        await issuer.until_asked(8)
        assert said(await ask(client, issuer.token(exp=claims_of(new)["iat"] + DAY))) == (200, "")


async def test_an_issuer_that_is_away_keeps_nobody_out_for_ever_and_lets_nobody_in(bench: Bench) -> None:
    """503 with Retry-After while its keys can't be had; keys that are known go on for an hour, and keys of ours always."""
    clock, issuer = Moved(), Issuer()
    await issuer.start()
    await issuer.stop()
    async with trusting(bench, issuer, clock) as client:
        end = claims_of(issuer.token())["iat"] + DAY
        token = issuer.token(exp=end)
        answer = await ask(client, token)
        assert said(answer) == (503, "issuer-unavailable")
        assert 1 <= int(answer.headers["Retry-After"]) <= AGAIN_S
        await issuer.start()
        assert said(await ask(client, token)) == (503, "issuer-unavailable")
        assert issuer.asked == []
        assert (await client.get("/api/v1/tokens", headers=bench.auth())).status_code == 200
        clock.seconds += AGAIN_S
        assert said(await ask(client, token)) == (200, "")
        await issuer.stop()
        clock.seconds += FRESH_S
        assert said(await ask(client, token)) == (200, "")
        assert said(await ask(client, issuer.token(exp=end, sub="u-2"))) == (200, "")
        # Of a key that is not known nobody can say whether it is one.
        clock.seconds += AGAIN_S
        assert said(await ask(client, issuer.token(key=rsa("second"), exp=end))) == (503, "issuer-unavailable")
        clock.seconds += STALE_S
        assert said(await ask(client, token)) == (503, "issuer-unavailable")
        metrics = (await client.get("/metrics")).text
        assert 'evhold_failed_logins_total{what="bearer"} 0.0' in metrics


async def test_an_issuer_that_answers_badly_is_as_one_that_is_away(bench: Bench) -> None:
    """Redirects are not followed, large and slow answers are cut off, and it has to call itself as we do."""
    async with issuing(keys=[rsa("second")]) as foe, issuing() as issuer:
        clock = Moved()
        redirect = answered("302 Found", more=f"Location: {foe.url}/keys\r\n")
        large = ok(json.dumps({"keys": [rsa("first").as_dict()], "more": "x" * 70_000}).encode())
        token = issuer.token()
        bad: list[dict[str, Any]] = [
            {"instead": {issuer.jwks_path: redirect}},
            {"instead": {issuer.discovery_path: redirect}},
            {"instead": {issuer.jwks_path: large}},
            {"instead": {issuer.jwks_path: None}},
            {"instead": {issuer.discovery_path: None}},
            {"instead": {issuer.jwks_path: answered("500 Oops")}},
            {"instead": {issuer.jwks_path: ok(b"<html>")}},
            {"instead": {issuer.jwks_path: ok(b"[" * 60_000)}},
            {"instead": {issuer.jwks_path: ok(b'{"keys": {}}')}},
            {"instead": {issuer.jwks_path: ok(b'{"keys": []}')}},
            {"instead": {issuer.jwks_path: ok(b'{"keys": [{"kty": "oct", "kid": "first", "k": "AA"}]}')}},
            {"instead": {issuer.jwks_path: b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"}},
            {"instead": {issuer.jwks_path: b"\x00"}},
            {"calls_itself": foe.url},
            {"calls_itself": issuer.url + "/"},
            # Which leads here, but is no loopback address.
            {"jwks_uri": f"http://0.0.0.0:{issuer.port}{issuer.jwks_path}"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": "//"},
        ]
        usual = {"instead": {}, "calls_itself": None, "jwks_uri": None}
        async with trusting(bench, issuer, clock, timeout_s=0.1) as client:
            for one in bad:
                for name, value in (usual | one).items():
                    setattr(issuer, name, value)
                assert said(await ask(client, token)) == (503, "issuer-unavailable"), one
                clock.seconds += AGAIN_S
            assert foe.asked == []
            for name, value in usual.items():
                setattr(issuer, name, value)
        async with trusting(bench, issuer, Moved()) as client:
            assert said(await ask(client, token)) == (200, "")


async def test_who_has_no_role_may_do_nothing(bench: Bench) -> None:
    """403 that says which claim is missing, for any address, and by the rate limit of that subject."""
    async with issuing() as issuer, trusting(bench, issuer, Moved(), a_second=5) as client:
        for token in (issuer.token(roles=["tourist"]), issuer.token(roles=None, sub="u-2")):
            answer = await ask(client, token, "/api/v1/nothing")
            assert said(answer) == (403, "forbidden")
            assert "roles" in answer.json()["detail"]
        answer = await ask(client, issuer.token(roles=["driver"], sub="u-3"))
        assert said(answer) == (403, "forbidden")
        assert "evhold_tokens" in answer.json()["detail"]
        answers = [await ask(client, issuer.token(roles=[], sub="u-4")) for _ in range(6)]
        assert [one.status_code for one in answers] == [403] * 5 + [429]


async def test_each_subject_is_a_caller_of_its_own(bench: Bench) -> None:
    """In rates, whatever token it comes with; in the audit, by its name at the issuer; and under the same Idempotency-Key."""
    async with issuing() as issuer, trusting(bench, issuer, Moved(), a_second=5) as client:
        answers = [await ask(client, issuer.token(jti=str(number), sub="busy")) for number in range(6)]
        assert [one.status_code for one in answers] == [200] * 5 + [429]

        assert (await bench.client.put("/api/v1/stations/S1", headers=bench.auth(), json={})).status_code == 201

        async def reserve(sub: str, evse: int) -> httpx.Response:
            token = issuer.token(sub=sub, email="someone@example.org", name="Someone")
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "the same"}
            terms = {**bench.terms(stationId="S1", evseId=evse), "expiryDateTime": "2031-01-01T00:00:00Z"}
            return await client.post("/api/v1/reservations", headers=headers, json=terms)

        first, again, other = [await reserve(sub, evse) for sub, evse in (("a", 1), ("a", 1), ("b", 2))]
        assert [one.status_code for one in (first, again, other)] == [201] * 3
        assert first.json()["id"] == again.json()["id"] != other.json()["id"]
        assert (await reserve("a", 2)).status_code == 422
        rows = (await client.get("/api/v1/audit", headers=bench.auth())).json()
        made = [one for one in rows if one["stationId"] == "S1" and one["what"] == "reserve"]
        assert [(one["who"], one["address"]) for one in made] == [("oidc:b", "127.0.0.1"), ("oidc:a", "127.0.0.1")]
        assert "omeone" not in str(rows)


async def test_tokens_are_answered_as_keys_of_their_role_are(bench: Bench) -> None:
    """Every operation of the matrix, by a driver whose claim names the IdToken that it is about, or another one."""
    async with issuing() as issuer, trusting(bench, issuer, Moved()) as client:
        for caller in ("driver", "driver-other"):
            cards = [f"{DRIVER.id_token}:{DRIVER.type}"]
            token = issuer.token(roles=["driver"], evhold_tokens=cards, sub=caller)
            column = CALLERS.index(caller)
            own = DRIVER if caller == "driver" else TOKEN
            stage = Stage(replace(bench, client=client), token=own, made=100 * column)
            told = {one.name: await stage.status(one, token) for one in OPERATIONS}
            assert told == {name: row[column] for name, row in MATRIX.items()} | {"signIn": 400}, caller


async def test_a_driver_sees_its_own_alone_until_its_token_ends(bench: Bench) -> None:
    """In lists and in streams; and a stream is over when the token is."""
    clock = Moved()
    async with issuing() as issuer, trusting(bench, issuer, clock) as client:
        card = {"idToken": "CAFE0001", "type": "ISO14443"}
        for path, body in (("/stations/S2", {}), ("/tokens/ISO14443/CAFE0001", {"status": "Accepted"})):
            assert (await bench.client.put(f"/api/v1{path}", headers=bench.auth(), json=body)).status_code == 201
        others = (await bench.reserve(stationId="S2")).json()
        own = (await bench.reserve(stationId="S2", evseId=2, idToken=card)).json()
        token = issuer.token(roles=["driver"], evhold_tokens="cafe0001")
        listed = (await ask(client, token, "/api/v1/reservations")).json()
        assert [one["id"] for one in listed] == [own["id"]]
        assert (await ask(client, token, f"/api/v1/reservations/{others['id']}")).status_code == 404
        headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": "0"}
        seen = ""
        async with asyncio.timeout(5), client.stream("GET", "/api/v1/events", headers=headers) as answer:
            async for line in answer.aiter_lines():
                seen += line
                if f'"id":{own["id"]},' in line:
                    clock.seconds += 400
                    await bench.reserve(stationId="S2", evseId=3)
        assert f'"id":{own["id"]},' in seen
        assert f'"id":{others["id"]},' not in seen


async def test_the_api_says_whose_tokens_it_takes(bench: Bench) -> None:
    """In securitySchemes, where an issuer is set; else a token is a key that nobody has."""
    async with issuing() as issuer:
        token = issuer.token()
        async with trusting(bench, issuer, Moved()) as client:
            document = (await client.get("/openapi.json")).json()
            assert (await client.get("/docs")).status_code == 200
        scheme = document["components"]["securitySchemes"]["oidc"]
        assert scheme == {
            "type": "openIdConnect",
            "openIdConnectUrl": issuer.url + "/.well-known/openid-configuration",
        }
        assert {"oidc": []} in document["security"]
        without = (await bench.client.get("/openapi.json")).json()
        assert "oidc" not in without["components"]["securitySchemes"]
        assert said(await ask(bench.client, token)) == (401, "unauthorized")
        assert issuer.asked == []
