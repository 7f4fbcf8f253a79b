"""What is agreed on in the handshake, and what a message becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evhold.gateway.deflate import InflatedTooBig, InflateFailed, inflate, negotiate

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        (["permessage-deflate"], ANSWER),
        (["Permessage-Deflate; client_max_window_bits"], ANSWER),
        (["permessage-deflate; client_max_window_bits=10; server_no_context_takeover"], ANSWER),
        (['permessage-deflate; server_max_window_bits="10"'], f"{ANSWER}; server_max_window_bits=10"),
        (["x-other, permessage-deflate; nonsense", "permessage-deflate; client_no_context_takeover"], ANSWER),
        (["permessage-deflate; server_max_window_bits=8, permessage-deflate"], ANSWER),
    ],
)
def test_the_first_offer_that_can_be_served_is_accepted(offers, answer):
    """Both sides start afresh with every message; a smaller window of ours is confirmed."""
    deflate = negotiate(offers)

    assert deflate is not None
    assert deflate.answer == answer


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-other",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-deflate;",
    ],
)
def test_an_offer_that_cannot_be_served_is_declined(offer):
    """RFC 7692: wrong, repeated or unknown parameters decline the offer, and only the offer."""
    assert negotiate([offer]) is None


@given(st.binary(max_size=5000), st.integers(9, 15))
def test_a_message_survives(data, bits):
    """What is compressed with any window comes back."""
    deflate = negotiate([f"permessage-deflate; server_max_window_bits={bits}"])

    assert deflate is not None
    assert inflate(deflate.compress(data), limit=5000) == data


def test_inflating_stops_at_the_limit():
    """A message of exactly the limit passes, one byte more does not."""
    deflate = negotiate(["permessage-deflate"])

    assert deflate is not None
    assert len(inflate(deflate.compress(b"x" * 1000), limit=1000)) == 1000
    with pytest.raises(InflatedTooBig):
        inflate(deflate.compress(b"x" * 1001), limit=1000)


def test_what_is_no_stream_fails():
    """Bytes that no deflater wrote are told as such."""
    with pytest.raises(InflateFailed):
        inflate(b"\xff\xff", limit=1000)
