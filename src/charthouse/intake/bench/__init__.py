"""Measurements of intake: ``charthouse bench intake`` and ``charthouse bench mllp``."""
