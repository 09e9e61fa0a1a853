"""What can be wrong with a database, said in words."""

from __future__ import annotations

from charthouse.configuration import ConfigurationError


class DatabaseProblem(ConfigurationError):
    """The database cannot be made, started, reached or used; the message says why and what to do."""
