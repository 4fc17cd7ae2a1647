"""Figures of a running server, for Prometheus."""
