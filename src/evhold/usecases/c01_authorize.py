"""C01: a station asks whether a token may charge."""

from collections.abc import Awaitable

from evhold.domain.authorization import TokenInfo, answer_about
from evhold.domain.values import IdToken
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import Rules


def authorize(id_token: IdToken, *, tokens: KnownTokens, rules: Rules) -> TokenInfo | Awaitable[TokenInfo]:
    """What the station is told about the token: its status, and its groupIdToken when it has one. At once, if it is held.

    Requirements: H03.FR.08
    """
    token = tokens.find(id_token)
    if token is None:
        return _read(id_token, tokens=tokens, rules=rules)
    return answer_about(id_token, token, accept_unknown=rules.accept_unknown_tokens)


async def _read(id_token: IdToken, *, tokens: KnownTokens, rules: Rules) -> TokenInfo:
    token = await tokens.read(id_token)
    return answer_about(id_token, token, accept_unknown=rules.accept_unknown_tokens)
