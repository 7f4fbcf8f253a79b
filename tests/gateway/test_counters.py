"""What is counted."""

from evhold.gateway.counters import BUCKETS_S, Counters


def test_seconds_fall_into_their_bucket():
    """A bucket includes its bound; what is slower than all falls into the last."""
    counters = Counters()
    for seconds in (0.01, 0.011, 31.0):
        counters.answered("ReserveNow", seconds=seconds)
    histogram = counters.seconds_to_answer["ReserveNow"]

    assert (histogram.counts[0], histogram.counts[1], histogram.counts[len(BUCKETS_S)]) == (1, 1, 1)
    assert histogram.total_s == 31.021
