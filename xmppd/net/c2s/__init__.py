"""Clients' streams."""
