"""Tests of the stand-ins for vendors of push."""
