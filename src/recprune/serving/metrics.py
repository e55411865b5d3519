"""What a server counts, as Prometheus reads it: every label is one of a fixed few, none comes from a request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

__all__ = ["Metrics"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """Counters of one server; they are changed by the event loop alone."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0
        self.fallback = self.left = self.unknown = 0
        self.refused_connections = 0
        self.reloads: Counter[str] = Counter({"done": 0, "refused": 0})

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; `path` is one of those that there are, or "other"."""
        self.requests[path, status] += 1
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds

    def text(self, in_flight: int, connections: int) -> bytes:
        """Everything, in the text format of Prometheus 0.0.4."""
        lines = [
            "# TYPE recprune_requests_total counter",
            *(
                f'recprune_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self.requests.items())
            ),
            "# TYPE recprune_request_seconds histogram",
        ]
        below = list(accumulate(self.buckets))
        edges = [*map(str, SECONDS), "+Inf"]
        lines += [f'recprune_request_seconds_bucket{{le="{edge}"}} {n}' for edge, n in zip(edges, below, strict=True)]
        lines += [f"recprune_request_seconds_sum {self.seconds:.6f}", f"recprune_request_seconds_count {below[-1]}"]
        lines += ["# TYPE recprune_reloads_total counter"]
        lines += [f'recprune_reloads_total{{outcome="{how}"}} {n}' for how, n in sorted(self.reloads.items())]
        for name, kind, value in (
            ("fallbacks_total", "counter", self.fallback),
            ("left_ids_total", "counter", self.left),
            ("unknown_ids_total", "counter", self.unknown),
            ("refused_connections_total", "counter", self.refused_connections),
            ("in_flight", "gauge", in_flight),
            ("connections", "gauge", connections),
        ):
            lines += [f"# TYPE recprune_{name} {kind}", f"recprune_{name} {value}"]
        return ("\n".join(lines) + "\n").encode()
