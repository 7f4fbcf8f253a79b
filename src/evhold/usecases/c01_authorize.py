"""C01: a station asks whether a token may charge."""

from evhold.domain.authorization import TokenInfo, answer_about
from evhold.domain.values import IdToken
from evhold.usecases.ports import Rules, Storage


async def authorize(id_token: IdToken, *, storage: Storage, rules: Rules) -> TokenInfo:
    """What the station is told about the token: its status, and its groupIdToken when it has one.

    Requirements: H03.FR.08
    """
    token = await storage.read(lambda tx: tx.tokens.find(id_token))
    return answer_about(id_token, token, accept_unknown=rules.accept_unknown_tokens)
