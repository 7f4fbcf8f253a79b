"""Token buckets and failures by address; the time is the test's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evhold.domain.limits import Allowance, Failures, origin_of


def test_what_was_used_up_comes_back_by_the_second() -> None:
    """Three at once, then one a half second at two a second."""
    allowance = Allowance(2, at_once=3)
    assert [allowance.take("a", now=0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert allowance.take("a", now=0.25) == pytest.approx(0.25)
    assert [allowance.take("a", now=0.5), allowance.take("a", now=0.5)] == [0, 0.5]


def test_an_allowance_does_not_grow_over_its_size() -> None:
    """However long nobody asked."""
    allowance = Allowance(2, at_once=3)
    allowance.take("a", now=0)
    assert [allowance.take("a", now=1_000) for _ in range(4)] == [0, 0, 0, 0.5]


def test_each_name_has_an_allowance_of_its_own() -> None:
    """One that is used up is nobody else's."""
    allowance = Allowance(1)
    assert allowance.take("a", now=0) == 0
    assert allowance.take("a", now=0) > 0
    assert allowance.take("b", now=0) == 0


def test_so_many_names_are_remembered() -> None:
    """The longest silent is forgotten: memory is bounded whoever asks."""
    allowance = Allowance(1, most=100)
    for number in range(10_000):
        allowance.take(number, now=number)
        assert len(allowance) <= 100
    assert allowance.take(9_999, now=9_999) > 0


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 50))
def test_never_more_than_the_rate_and_what_there_is_at_once(pauses: list[float], rate: int) -> None:
    """Over any time: what there was at the beginning, and what came back."""
    allowance, now, taken = Allowance(rate), 0.0, 0
    for pause in pauses:
        now += pause
        taken += sum(allowance.take("a", now=now) == 0 for _ in range(20))
    assert taken <= rate + now * rate + 1e-6


def test_twenty_failures_a_minute_are_answered() -> None:
    """Then the address waits, three seconds for each; others do not."""
    failures = Failures(20)
    assert [failures.note("key", "192.0.2.1", now=0) for _ in range(20)] == [0.0] * 20
    assert failures.note("link", "192.0.2.1", now=0) == pytest.approx(3)
    assert failures.note("key", "192.0.2.2", now=0) == 0
    assert failures.note("key", "192.0.2.1", now=3.1) == 0
    assert (failures.counts, failures.refused) == ({"key": 22, "link": 1}, 1)


def test_a_network_of_ipv6_is_one_address() -> None:
    """A guesser has 2**64 of them; and an IPv4 address is itself in every form."""
    assert origin_of("2001:db8:1:2:3::4") == origin_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::"
    assert origin_of("2001:db8:1:3::4") != origin_of("2001:db8:1:2::4")
    assert origin_of("::ffff:192.0.2.1") == origin_of("192.0.2.1") == "192.0.2.1"
    assert origin_of("fe80::1%eth0") == "fe80::"


@given(st.text())
def test_any_text_is_taken_for_an_address(text: str) -> None:
    """What is none is all one."""
    assert isinstance(origin_of(text), str)
