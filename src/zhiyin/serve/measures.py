"""Counters for Prometheus; of all worker processes together where there are several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

__all__ = ["Measures"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """The server's measures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        options: Any = {"registry": self.registry}
        self._requests = Counter("zhiyin_requests", "Requests answered.", ("path", "status"), **options)
        self._seconds = Histogram(
            "zhiyin_request_seconds", "Time to answer.", ("path",), buckets=SECONDS, **options
        )
        self._stages = Counter(
            "zhiyin_stage_seconds", "Time spent in each stage, by batch.", ("stage",), **options
        )
        self._slates = Counter("zhiyin_slates", "Slates handed out.", **options)
        self._notes = Counter("zhiyin_fallbacks", "Fallbacks that were taken.", **options)
        self._kept = Counter(
            "zhiyin_kept", "Events and feedback, by what became of them.", ("kind", "status"), **options
        )
        self._healthy = Gauge(
            "zhiyin_model_healthy",
            "1: the current version answers; 0: another one had to.",
            multiprocess_mode="min",
            **options,
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """One request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def recommended(self, slates: int, milliseconds: Mapping[str, float], share: float, notes: int) -> None:
        """One answer: its slates and its share of the batch's time."""
        self._slates.inc(slates)
        for stage, spent in milliseconds.items():
            self._stages.labels(stage).inc(spent * share / 1000)
        if notes:
            self._notes.inc(notes)

    def kept(self, kind: str, status: str, n: int) -> None:
        """Events or feedback that were received."""
        self._kept.labels(kind, status).inc(n)

    def healthy(self, fine: bool) -> None:
        """Whether the version that should answer does."""
        self._healthy.set(float(fine))

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
