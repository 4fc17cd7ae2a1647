"""Tests of the push service."""
