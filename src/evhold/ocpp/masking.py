"""OCPP frames as they may be shown: tokens down to their last four characters, passwords not at all."""

import re
from typing import Final

import msgspec

_TOKEN_KEYS: Final = frozenset({"idToken", "groupIdToken", "additionalIdToken", "idTag", "parentIdTag"})
_SECRET_KEYS: Final = frozenset({"password", "apnPassword"})
_SECRET_VARIABLES: Final = frozenset({"basicauthpassword", "authorizationkey"})
_SHOWN: Final = 4
_UNREADABLE_SHOWN: Final = 2000
_IN_TEXT: Final = re.compile(
    r"""((["']?)(?:idToken|groupIdToken|additionalIdToken|attributeValue|password|apnPassword)\2\s*[:=]\s*(["']))"""
    r"""(?:(?!\3).)*""",
    re.DOTALL,
)


def mask(frame: bytes) -> str:
    """Return the frame as JSON text in which no token and no password can be read.

    A frame that is no JSON is shown as text, cut after 2000 characters, with whatever looks like a token blotted out; so
    is every text inside of it: some stations repeat the whole request in a CALLERROR's description.
    """
    try:
        content = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _blotted(frame.decode("utf-8", "replace")[:_UNREADABLE_SHOWN])
    return msgspec.json.encode(_masked(content)).decode()


def mask_token(token: str) -> str:
    """Return the token down to its last four characters; one of four or fewer is hidden wholly."""
    if len(token) <= _SHOWN:
        return "*" * _SHOWN
    return "*" * (len(token) - _SHOWN) + token[-_SHOWN:]


def mask_text(text: str) -> str:
    """Return the text with whatever looks like a token or a password in a piece of JSON blotted out."""
    return _blotted(text)


def _blotted(text: str) -> str:
    return _IN_TEXT.sub(r"\1****", text)


def _masked(node: object) -> object:
    if isinstance(node, list):
        return [_masked(item) for item in node]
    if not isinstance(node, dict):
        return _blotted(node) if isinstance(node, str) else node
    secret_variable = _names_a_secret(node.get("variable"))
    return {key: _masked_member(key, value, secret_variable=secret_variable) for key, value in node.items()}


def _masked_member(key: str, value: object, *, secret_variable: bool) -> object:
    if secret_variable and key in {"attributeValue", "variableAttribute", "actualValue"}:
        return "****"
    if isinstance(value, str):
        if key in _TOKEN_KEYS:
            return mask_token(value)
        return "****" if key in _SECRET_KEYS else _blotted(value)
    if key == "vpn" and isinstance(value, dict) and "key" in value:
        return _masked({**value, "key": "****"})
    return _masked(value)


def _names_a_secret(variable: object) -> bool:
    if not isinstance(variable, dict):
        return False
    name = variable.get("name")
    return isinstance(name, str) and name.casefold() in _SECRET_VARIABLES
