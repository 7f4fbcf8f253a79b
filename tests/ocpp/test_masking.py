"""What may be read of a frame that is shown or kept."""

import json

import pytest

from evhold.ocpp.masking import mask, mask_token


@pytest.mark.parametrize(
    ("token", "shown"), [("AABBCCDD", "****CCDD"), ("12345", "*2345"), ("1234", "****"), ("", "****")]
)
def test_a_token_is_shown_by_its_last_four_characters(token, shown):
    """A token that would be shown whole is hidden wholly."""
    assert mask_token(token) == shown


def test_every_token_of_a_frame_is_masked():
    """In objects, in lists, as text, at any depth; the rest stays."""
    token = {
        "idToken": "AABBCCDD",
        "type": "ISO14443",
        "additionalInfo": [{"additionalIdToken": "EEFF0011", "type": "x"}],
    }
    masked = {
        "idToken": "****CCDD",
        "type": "ISO14443",
        "additionalInfo": [{"additionalIdToken": "****0011", "type": "x"}],
    }
    frame = [2, "1", "A", {"idToken": token, "list": [{"groupIdToken": token}], "groupIdToken": "AABBCCDD", "n": 1.5}]

    assert json.loads(mask(json.dumps(frame).encode())) == [
        2,
        "1",
        "A",
        {"idToken": masked, "list": [{"groupIdToken": masked}], "groupIdToken": "****CCDD", "n": 1.5},
    ]


@pytest.mark.parametrize("name", ["BasicAuthPassword", "basicauthpassword"])
def test_a_password_is_not_shown_at_all(name):
    """SetVariables of BasicAuthPassword, a report of it, and the passwords of a network profile."""
    variable = {"name": name}
    frame = {
        "setVariableData": [{"variable": variable, "attributeValue": "hunter2"}],
        "reportData": [{"variable": variable, "variableAttribute": [{"value": "hunter2"}]}],
        "connectionData": {"apn": {"apnPassword": "hunter2"}, "vpn": {"password": "hunter2", "key": "hunter2"}},
    }

    assert "hunter2" not in mask(json.dumps([2, "1", "X", frame]).encode())


def test_other_variables_stay_readable():
    """Only secrets are hidden."""
    frame = b'[2,"1","SetVariables",{"setVariableData":[{"variable":{"name":"Enabled"},"attributeValue":"true"}]}]'

    assert mask(frame) == frame.decode()


@pytest.mark.parametrize(
    "frame",
    [b'[2,"1","A",{"idToken" : "AABBCCDD', b'{"password":"AABBCCDD"}}', b'\xff"groupIdToken":"AABBCCDD"', b"[" * 9999],
)
def test_an_unreadable_frame_is_masked_as_text(frame):
    """Broken JSON, broken UTF-8 or nesting without end: shown in part, and without what looks like a token."""
    assert "AABBCCDD" not in mask(frame)
    assert len(mask(frame)) <= 2000


@pytest.mark.parametrize(
    "description",
    [
        'not implemented to handle {\n  "idToken": {\n    "idToken": "AABBCCDD",\n    "type": "ISO14443"\n  }\n}',
        "no handler for { idToken: { idToken: 'AABBCCDD', type: 'ISO14443' } }",
        'groupIdToken="AABBCCDD"',
    ],
)
def test_a_request_that_an_error_repeats_is_masked(description):
    """Some stations write the payload into the CALLERROR's description, in JSON or in their own spelling."""
    details = {"idToken": {"idToken": "AABBCCDD"}, "cause": description}
    frame = json.dumps([4, "1", "NotImplemented", description, details]).encode()

    assert "AABBCCDD" not in mask(frame)
    assert json.loads(mask(frame))[:3] == [4, "1", "NotImplemented"]


def test_a_password_in_an_event_is_not_shown():
    """NotifyEvent has it as the actual value."""
    event = {"variable": {"name": "BasicAuthPassword"}, "actualValue": "hunter2"}

    assert "hunter2" not in mask(json.dumps([2, "1", "NotifyEvent", {"eventData": [event]}]).encode())
