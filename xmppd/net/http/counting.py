"""What there is to tell of requests: how many, by how they were answered, and how long it took."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from xmppd.core.histogram import Histogram
from xmppd.net.families import counters, histograms

__all__ = ["Counts"]

_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class Counts:
    """Counts requests."""

    __slots__ = ("_by_class", "_seconds")

    def __init__(self) -> None:
        self._by_class = [0] * 6
        self._seconds: dict[str, Histogram] = {}

    def add(self, path: str, code: int, seconds: float) -> None:
        """A request was answered.

        :param path: of its door; "" for all that have none of their own.
        :param seconds: from the end of its head to the end of the answer.
        """
        self._by_class[code // 100] += 1
        if code == 101:
            return
        measured = self._seconds.get(path)
        if measured is None:
            measured = self._seconds[path] = Histogram()
        measured.observe(seconds)

    def add_refused(self, code: int) -> None:
        """Something was refused that was no whole request."""
        self._by_class[code // 100] += 1

    def figures(self) -> Iterator[Metric]:
        """Yield what there is to tell."""
        found = {(name,): self._by_class[number] for number, name in enumerate(_CLASSES, 1)}
        yield counters("xmppd_http_requests", "HTTP requests, by the class of the code they got.", ("code",), found)
        seconds = {(path or "other",): measured for path, measured in self._seconds.items()}
        text = "Time from the head of an HTTP request to the end of its answer; BOSH holds some on purpose."
        yield histograms("xmppd_http_request_seconds", text, ("path",), seconds)
