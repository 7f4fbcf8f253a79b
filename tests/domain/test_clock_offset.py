"""A station's clock offset is learned from live stamps, and held against late and wild ones."""

from datetime import timedelta

from evhold.domain.clock_offset import KEPT, bears_out, estimate, moved, with_sample


def offsets(*seconds):
    """Samples."""
    return tuple(timedelta(seconds=one) for one in seconds)


def test_two_agreeing_samples_make_an_offset():
    """The greater one: a message is late, never early."""
    assert estimate(offsets(29.5, 30)) == timedelta(seconds=30)


def test_one_sample_alone_proves_nothing():
    """Nor do samples that disagree."""
    assert estimate(()) is estimate(offsets(30)) is estimate(offsets(0, 3600)) is None


def test_queued_messages_do_not_spoil_it():
    """They make samples too small; the greatest pair that agrees counts."""
    assert estimate(offsets(-600, -600, -590, 0, -1)) == timedelta(0)


def test_only_the_last_few_samples_are_kept():
    """So a clock that was set back is believed in the end."""
    samples = ()
    for _ in range(KEPT):
        samples = with_sample(samples, timedelta(hours=1))
    for _ in range(KEPT):
        samples = with_sample(samples, timedelta(0))

    assert samples == (timedelta(0),) * KEPT


def test_an_offset_moves_by_more_than_five_seconds():
    """Unknown is as good as none."""
    assert not moved(None, timedelta(seconds=5))
    assert moved(None, timedelta(seconds=-6))
    assert not moved(timedelta(seconds=30), timedelta(seconds=27))
    assert moved(timedelta(seconds=30), timedelta(seconds=24))


def test_a_sample_near_the_known_offset_says_nothing_new():
    """Within two seconds either way; of an unknown clock every sample is news."""
    known = timedelta(seconds=60)
    near, far = timedelta(seconds=2), timedelta(seconds=2, microseconds=1)
    assert bears_out(known, known - near)
    assert bears_out(known, known + near)
    assert not bears_out(known, known - far)
    assert not bears_out(known, known + far)
    assert not bears_out(None, timedelta())
