"""What the CSMS hands out and knows again without storing it: signed with a secret that the database keeps."""

import hmac
from typing import Final

from evhold.usecases.ports import Ids, Storage

SECRET_NAME: Final = "signing"


class Signer:
    """Signs texts. Each purpose has its own key, so that what was signed for one is worth nothing for another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, text: bytes, *, purpose: str) -> bytes:
        """32 bytes (HMAC-SHA256)."""
        key = hmac.digest(self._secret, purpose.encode(), "sha256")
        return hmac.digest(key, text, "sha256")


async def stored_signer(*, storage: Storage, ids: Ids) -> Signer:
    """A signer with the database's secret, which is made when there is none; nodes that start together agree on one.

    Raises:
        StorageAway: It can be neither read nor made.
    """
    known = await storage.read(lambda tx: tx.secrets.find(SECRET_NAME))
    if known is None:
        made = ids.secret()
        known = await storage.transact(lambda tx: tx.secrets.settle(SECRET_NAME, made))
    return Signer(known)
