"""Benches of the index: accuracy and speed, beside Splink in the same run."""
