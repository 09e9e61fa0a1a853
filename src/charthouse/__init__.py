"""Charthouse: the health-records department as software."""

__version__ = "0.1.0"
