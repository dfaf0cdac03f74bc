"""Bongsu: declare a service once; it is instrumented, watched, explained and reported."""

__version__ = "0.1.0"
