"""Tests of the roads to vendors of push."""
