"""What Prometheus asks for at ``/metrics``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geonav.errors import InputError
from geonav.serving.refusals import CODES

if TYPE_CHECKING:
    from geonav.data.results import LocalizationResult
    from geonav.serving.engine import Engine

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
# Names of routes, never what clients made up.
_ROUTES = (
    (re.compile(r"/v1/references/[^/]+/image"), "/v1/references/{uid}/image"),
    (re.compile(r"/v1/references/[^/]+"), "/v1/references/{uid}"),
    (re.compile(r"/static/.*"), "/static/{name}"),
    (re.compile(r"(/|/v1/(localize|health|database)|/metrics|/openapi\.json)"), None),
)


def route_of(path: str) -> str:
    """The route that answers a path; one word for all that do not exist."""
    for pattern, name in _ROUTES:
        if pattern.fullmatch(path):
            return name or path
    return "other"


class Metrics:
    """The numbers of one server."""

    def __init__(self, engine: Engine) -> None:
        """Raises InputError where the package is missing."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
        except ImportError as error:
            msg = "serving needs prometheus_client: pip install 'geonav[serve]'"
            raise InputError(msg) from error
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "geonav_requests", "answers sent", ("route", "method", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "geonav_request_seconds", "seconds to an answer", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self._stages = Histogram(
            "geonav_stage_seconds", "seconds of each stage of a photo", ("stage",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._results = Counter("geonav_photos", "photos worked on", ("status",), registry=self.registry)
        self._refused = Counter("geonav_refused", "requests refused", ("code",), registry=self.registry)
        self._batches = Histogram(
            "geonav_batch_size", "photos computed together", buckets=_BATCHES, registry=self.registry
        )
        waiting = Gauge("geonav_queue_length", "photos that wait", registry=self.registry)
        waiting.set_function(lambda: engine.num_waiting)
        running = Gauge("geonav_photos_running", "photos that are worked on", registry=self.registry)
        running.set_function(lambda: engine.num_running)
        Gauge("geonav_queue_limit", "photos that may wait", registry=self.registry).set(engine.limit)

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        route = route_of(path)
        known = method if method in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._latency.labels(route).observe(seconds)
        if status >= 400:
            self._refused.labels(CODES.get(status, "gone")).inc()

    def batch(self, size: int) -> None:
        """Count photos that are computed together."""
        self._batches.observe(size)

    def located(self, result: LocalizationResult) -> None:
        """Count a photo."""
        self._results.labels(result.status).inc()
        for stage, seconds in result.seconds.items():
            self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """All numbers in Prometheus' format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
