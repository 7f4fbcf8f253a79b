"""Tokens of an identity provider at the gate: told from keys by their form, and answered as problems where they are no good."""

import re
from math import ceil
from typing import Final

from evhold.domain.identity import Identity, Stranger
from evhold.usecases.identities import BearerInvalid, IssuerAway
from evhold.web.calls import Calls
from evhold.web.problems import Problem

#: A JSON object, and two more parts. No key of ours is written so.
_TOKEN: Final = re.compile(r"eyJ[\w\-=]*\.[\w\-=]*\.[\w\-=]*", re.ASCII)


def is_token(text: str) -> bool:
    """Whether this is written like a signed JSON Web Token."""
    return _TOKEN.fullmatch(text) is not None


async def identity(bearer: str, *, calls: Calls, address: str) -> Identity:
    """Whom the token speaks for.

    Args:
        bearer: Written like one.
        calls: What the application may call; among it what looks at tokens.
        address: Where it came from: one that was never good counts as a failed try of it.

    Raises:
        Problem: It is no good, its subject may do nothing here, the issuer can't be asked, or there were too many of these.
    """
    assert calls.bearers is not None
    try:
        found = await calls.bearers.identify(bearer)
    except BearerInvalid as error:
        if error.is_guess:
            calls.limits.failed("bearer", address, why=error.reason)
        challenge = f'Bearer realm="evhold", error="invalid_token", error_description="{error.reason}"'
        raise Problem("unauthorized", error.reason, headers={"WWW-Authenticate": challenge}) from None
    except IssuerAway as error:
        wait = str(max(1, ceil(error.wait_s)))
        raise Problem("issuer-unavailable", "the token can't be checked now", headers={"Retry-After": wait}) from None
    if isinstance(found, Stranger):
        calls.limits.check_rate(found.called)
        raise Problem("forbidden", found.lack)
    return found
