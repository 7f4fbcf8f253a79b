"""errors: the codes of OCPP-J, and the code that a decoding fault gets."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from evhold.ocpp.rpc import errors
from evhold.ocpp.rpc.errors import RpcError, from_validation
from evhold.ocpp.rpc.payload import decode

CODES = {
    "FormatViolation",
    "GenericError",
    "InternalError",
    "MessageTypeNotSupported",
    "NotImplemented",
    "NotSupported",
    "OccurrenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "RpcFrameworkError",
    "SecurityError",
    "TypeConstraintViolation",
}


class Inner(Struct, forbid_unknown_fields=True, rename="camel"):
    """A nested object."""

    id_token: Annotated[str, Meta(max_length=3)]


class Outer(Struct, forbid_unknown_fields=True, rename="camel"):
    """One field of every kind."""

    kind: Literal["a", "b"] = "a"
    number: Annotated[int, Meta(ge=0, le=9)] = 0
    share: float = 0.0
    items: Annotated[tuple[Inner, ...], Meta(min_length=1, max_length=2)] = ()
    when: datetime | None = None
    inner: Inner | None = None


def test_there_is_one_class_for_every_code() -> None:
    """The codes on the wire are OCPP-J 2.0.1's twelve, each with a class of its own."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RpcError)]
    assert sorted(CODES) == sorted(kind.code for kind in kinds if kind is not RpcError)


def test_a_description_is_cut() -> None:
    """A description never exceeds the 255 characters of the wire."""
    assert RpcError("x" * 300).description == "x" * 255


def test_an_error_carries_its_data() -> None:
    """Details and message id are kept; without any there are none."""
    error = RpcError("no", details={"a": "b"}, message_id="m")
    assert (error.details, error.message_id) == ({"a": "b"}, "m")
    assert (RpcError().details, RpcError().message_id) == ({}, None)


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        ('{"inner":{}}', "OccurrenceConstraintViolation", "inner.idToken"),
        ('{"items":[]}', "OccurrenceConstraintViolation", "items"),
        ('{"items":[{"idToken":""},{"idToken":""},{"idToken":""}]}', "OccurrenceConstraintViolation", "items"),
        ('{"surprise":1}', "ProtocolError", "surprise"),
        ('{"items":[{"idToken":"","surprise":1}]}', "ProtocolError", "items[0].surprise"),
        ('{"items":[{"idToken":"SECRET"}]}', "PropertyConstraintViolation", "items[0].idToken"),
        ('{"number":10}', "PropertyConstraintViolation", "number"),
        ('{"number":-1}', "PropertyConstraintViolation", "number"),
        ('{"share":1e400}', "PropertyConstraintViolation", "share"),
        ('{"kind":"SECRET"}', "PropertyConstraintViolation", "kind"),
        ('{"when":"SECRET"}', "PropertyConstraintViolation", "when"),
        ('{"number":"SECRET"}', "TypeConstraintViolation", "number"),
        ('{"number":null}', "TypeConstraintViolation", "number"),
        ('{"number":true}', "TypeConstraintViolation", "number"),
        ('{"items":{}}', "TypeConstraintViolation", "items"),
        ('{"when":5}', "TypeConstraintViolation", "when"),
    ],
)
def test_a_fault_gets_its_code_and_its_field(payload: str, code: str, field: str) -> None:
    """Each kind of fault has its code, names the field by its path, and repeats no value."""
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(payload.encode(), Outer)
    error = from_validation(caught.value)
    assert (code, {"field": field}) == (error.code, error.details)
    assert error.description.startswith(f"{field} ")
    assert "SECRET" not in error.description


@pytest.mark.parametrize("payload", ["[]", "5", "null", '"x"', "", "{", '{"kind":"\\ud800"}'])
def test_a_payload_that_is_no_object_is_a_format_violation(payload: str) -> None:
    """What is no JSON object at all is FormatViolation, and names no field."""
    with pytest.raises(msgspec.DecodeError) as caught:
        decode(payload.encode(), Outer)
    error = from_validation(caught.value)
    assert (error.code, error.details) == ("FormatViolation", {})


def test_an_unforeseen_fault_is_a_format_violation() -> None:
    """A fault in words that are not known yet is still answered."""
    assert from_validation(msgspec.ValidationError("Odd - at `$.a`")).description == "a is invalid"
    assert from_validation(msgspec.ValidationError("Odd")).code == "FormatViolation"
