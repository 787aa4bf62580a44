"""Metrics for Prometheus: requests and their times as they come, everything else read when it is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.online import fact_features, fact_feed
from serving.online.service import ModelService
from serving.prediction_log.log import PredictionLog

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of the latency histogram."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of a server.

    Parameters
    ----------
    services
        The models by name.
    """

    def __init__(self, services: Mapping[str, ModelService]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter("leeway_serve_requests", "Prediction requests, by status of the answer.",
                                 ("model", "route", "status"), registry=self._registry)  # fmt: skip
        self._seconds = Histogram("leeway_serve_request_seconds", "From a request's headers to its answer.",
                                  ("model", "route"), buckets=SECONDS, registry=self._registry)  # fmt: skip
        self._registry.register(_State(services))

    def observe(self, model: str, route: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        key = (model, route, status)
        if key not in self._children:  # looking up labels takes longer than counting
            self._children[key] = (self._requests.labels(model, route, str(status)), self._seconds.labels(model, route))
        requests, times = self._children[key]
        requests.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    """Reads versions, failures, logs and shadows when Prometheus asks."""

    def __init__(self, services: Mapping[str, ModelService]) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield a family for each kind of figure."""
        yield self._versions()
        yield from self._followers()
        yield from self._batches()
        yield from self._logs()
        yield self._shadows()
        yield from self._facts()

    def _versions(self) -> Metric:
        """Return which versions are loaded."""
        labels = ("model", "version", "role", "digest", "predictor")
        family = GaugeMetricFamily("leeway_serve_version_info", "The loaded versions.", labels=labels)
        for name, service in self._services.items():
            lineup = service.follower.lineup
            roles = [("champion", lineup.champion), ("previous", lineup.previous)]
            for role, loaded in [*roles, *(("trial", each) for each in lineup.trials)]:
                if loaded is not None:
                    made = (name, loaded.version, role, loaded.digest, loaded.batcher.proved.name)
                    family.add_metric(made, 1)
        return family

    def _followers(self) -> Iterator[Metric]:
        """Yield how champions were exchanged, and what could not be loaded."""
        swaps = CounterMetricFamily("leeway_serve_swaps", "Champions exchanged while serving.", labels=("model",))
        away = GaugeMetricFamily("leeway_serve_registry_away", "1 while the registry is away.", labels=("model",))
        failing = GaugeMetricFamily("leeway_serve_load_failures", "Failed loads in a row.", labels=("model", "version"))
        for name, service in self._services.items():
            status = service.follower.status
            swaps.add_metric((name,), status.swaps)
            away.add_metric((name,), bool(status.registry_away))
            for version, failure in status.failures.items():
                failing.add_metric((name, version), failure.backoff.times)
        yield from (swaps, away, failing)

    def _batches(self) -> Iterator[Metric]:
        """Yield how many requests were computed together."""
        labels = ("model", "version")
        batches = CounterMetricFamily("leeway_serve_batches", "Batches of requests computed together.", labels=labels)
        rows = CounterMetricFamily("leeway_serve_batched_rows", "Rows in those batches.", labels=labels)
        for name, service in self._services.items():
            for loaded in service.follower.lineup.versions:
                batches.add_metric((name, loaded.version), loaded.batcher.batches)
                rows.add_metric((name, loaded.version), loaded.batcher.batched_rows)
        yield from (batches, rows)

    def _logs(self) -> Iterator[Metric]:
        """Yield what became of the rows of each log."""
        labels = ("model", "log")
        rows = CounterMetricFamily("leeway_serve_log_rows", "Rows of the prediction log, by what became of them.",
                                   labels=(*labels, "state"))  # fmt: skip
        waiting = GaugeMetricFamily("leeway_serve_log_waiting_rows", "Rows in memory only.", labels=labels)
        failing = GaugeMetricFamily("leeway_serve_log_failing", "1 while the log cannot be written.", labels=labels)
        for name, kind, log in self._all_logs():
            for state in ("journaled", "published", "dropped", "recovered"):
                rows.add_metric((name, kind, state), getattr(log.counts, state))
            waiting.add_metric((name, kind), log.waiting)
            failing.add_metric((name, kind), bool(log.counts.failing))
        yield from (rows, waiting, failing)

    def _all_logs(self) -> Sequence[tuple[str, str, PredictionLog]]:
        logs = [(n, "predictions", s.log) for n, s in self._services.items()]
        logs += [(n, "shadow", s.shadow.log if s.shadow else None) for n, s in self._services.items()]
        return [(name, kind, log) for name, kind, log in logs if log is not None]

    def _shadows(self) -> Metric:
        family = CounterMetricFamily("leeway_serve_shadow_rows", "Rows answered in shadow, by what became of them.",
                                     labels=("model", "state"))  # fmt: skip
        for name, service in self._services.items():
            if service.shadow is not None:
                for state in ("answered", "failed", "dropped"):
                    family.add_metric((name, state), getattr(service.shadow.counts, state))
        return family

    def _facts(self) -> Iterator[Metric]:
        """Yield where the values of fact features came from, and what became of the facts."""
        values = CounterMetricFamily("leeway_serve_fact_values", "Values of fact features, by where they came from.",
                                     labels=("model", "feature", "origin"))  # fmt: skip
        facts = CounterMetricFamily("leeway_serve_facts", "Facts, by what became of them.", labels=("model", "state"))
        failing = GaugeMetricFamily("leeway_serve_facts_failing", "1 while facts cannot be read.", labels=("model",))
        for name, service in self._services.items():
            if service.facts is None:
                continue
            of_facts = sorted(service.facts.values.declared.features)
            for feature, origin in itertools.product(of_facts, fact_features.ORIGINS):
                values.add_metric((name, feature, origin), service.facts.counts[feature, origin])
            counts = service.facts.feed.counts if service.facts.feed else fact_feed.FeedCounts()
            for state in ("stored", "set_aside"):
                facts.add_metric((name, state), getattr(counts, state))
            failing.add_metric((name,), bool(counts.failing or service.facts.failing))
        yield from (values, facts, failing)
