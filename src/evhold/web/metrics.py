"""Prometheus text, made of plain integers at the moment of the scrape."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from evhold.domain.reservation import State
from evhold.web.calls import Figures
from evhold.web.limits import Limits


class Scrape(Collector):
    """One scrape: the figures as they are now. ``reservations`` was counted before, as that takes an await."""

    def __init__(self, figures: Figures, *, limits: Limits, reservations: Mapping[State, int], streams: int) -> None:
        self._figures = figures
        self._limits = limits
        self._reservations = reservations
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield GaugeMetricFamily("evhold_stations_connected", "Open station sockets", value=self._figures.connected())
        yield GaugeMetricFamily("evhold_event_streams", "Open event streams", value=self._streams)
        lag = self._figures.sweep_lag_s()
        yield GaugeMetricFamily("evhold_sweep_lag_seconds", "How far the expiry sweep is behind", value=lag)
        yield from self._nodes()
        yield from self._refusals()
        yield from self._kept()
        yield self._by_status()
        yield self._calls()
        figures = self._figures
        yield _counted("evhold_ocpp_frames", "OCPP-J frames", "direction", figures.frames())
        yield _counted("evhold_handshakes", "Handshakes of stations", "status", figures.handshakes())
        yield _counted("evhold_disconnects", "Station sockets that ended", "reason", figures.disconnects())
        yield _counted("evhold_refusals", "What a limit refused", "limit", figures.refusals())
        yield self._answers()

    def _nodes(self) -> Iterator[Metric]:
        nodes = self._figures.nodes()
        if nodes is not None:
            yield GaugeMetricFamily("evhold_nodes", "Nodes that have a lease", value=nodes[0])
            yield GaugeMetricFamily("evhold_nats_connected", "Whether this node hears the others", value=nodes[1])

    def _refusals(self) -> Iterator[Metric]:
        failures = self._limits.failures
        failed = CounterMetricFamily("evhold_failed_logins", "Wrong credentials, by what was tried", labels=["what"])
        for what in ("key", "bearer", "session", "link", "station"):
            failed.add_metric([what], failures.counts.get(what, 0))
        yield failed
        refused = CounterMetricFamily("evhold_requests_refused", "Requests answered 429", labels=["reason"])
        refused.add_metric(["rate"], self._limits.throttled)
        refused.add_metric(["failures"], failures.refused)
        yield refused

    def _kept(self) -> Iterator[Metric]:
        kept = GaugeMetricFamily("evhold_kept", "What is kept, as last counted", labels=["what"])
        most = GaugeMetricFamily("evhold_kept_most", "How much of it may be kept", labels=["what"])
        for what, (count, limit) in self._figures.kept().items():
            kept.add_metric([what], count)
            most.add_metric([what], limit)
        yield kept
        yield most

    def _by_status(self) -> Metric:
        family = GaugeMetricFamily("evhold_reservations", "Reservations by status", labels=["status"])
        for state in State:
            family.add_metric([state], self._reservations.get(state, 0))
        return family

    def _calls(self) -> Metric:
        family = CounterMetricFamily(
            "evhold_ocpp_calls", "OCPP calls; in is from the stations", labels=["direction", "action", "result"]
        )
        for labels, count in self._figures.calls().items():
            family.add_metric(labels, count)
        return family

    def _answers(self) -> Metric:
        family = HistogramMetricFamily(
            "evhold_ocpp_answer_seconds", "Seconds until a station answered", labels=["action"]
        )
        for action, seconds in self._figures.seconds_to_answer().items():
            buckets, total = [], 0
            for bound, count in zip([*map(str, self._figures.bounds_s), "+Inf"], seconds.counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([action], buckets, seconds.total_s)
        return family


def _counted(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


async def text_of(figures: Figures, *, limits: Limits, streams: int) -> bytes:
    """The text of /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Scrape(figures, limits=limits, reservations=await figures.reservations(), streams=streams))
    return generate_latest(registry)
