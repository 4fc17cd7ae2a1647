"""Figures in Prometheus' form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from xmppd.core.histogram import Histogram

__all__ = ["counter", "counters", "gauge", "gauges", "histogram", "histograms"]


def counter(name: str, text: str, value: float) -> Metric:
    """Return a figure that only grows; ``_total`` is added to its name."""
    return CounterMetricFamily(name, text, value)


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a figure that goes up and down."""
    return GaugeMetricFamily(name, text, value)


def counters(name: str, text: str, labels: Iterable[str], found: Mapping[Any, float]) -> Metric:
    """Return a figure that only grows, for each combination of labels: their values are the keys of `found`."""
    family = CounterMetricFamily(name, text, labels=tuple(labels))
    for values, value in found.items():
        family.add_metric(values, value)
    return family


def gauges(name: str, text: str, labels: Iterable[str], found: Mapping[Any, float]) -> Metric:
    """Return a figure that goes up and down, for each combination of labels."""
    family = GaugeMetricFamily(name, text, labels=tuple(labels))
    for values, value in found.items():
        family.add_metric(values, value)
    return family


def histogram(name: str, text: str, measured: Histogram) -> Metric:
    """Return measurements by size."""
    return HistogramMetricFamily(name, text, _buckets(measured), measured.sum)


def histograms(name: str, text: str, labels: Iterable[str], found: Mapping[Any, Histogram]) -> Metric:
    """Return measurements by size, for each combination of labels."""
    family = HistogramMetricFamily(name, text, labels=tuple(labels))
    for values, measured in found.items():
        family.add_metric(values, _buckets(measured), measured.sum)
    return family


def _buckets(measured: Histogram) -> list[tuple[str, float]]:
    return [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in measured.buckets()]
