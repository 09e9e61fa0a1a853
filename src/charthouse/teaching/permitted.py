"""Where the demonstration's records may go. Needs no Django: a real site is refused before anything starts."""

from __future__ import annotations

from charthouse.configuration import Configuration, ConfigurationError


def require_demonstration(site: Configuration) -> None:
    """Raise ConfigurationError unless this is a demonstration."""
    if site.kind == "real":
        raise ConfigurationError(
            f"{site.data} holds a real site; invented people are not put among real ones. Make a demonstration "
            "beside it: CHARTHOUSE_SITE=demo charthouse start"
        )
    if site.kind != "demo":
        raise ConfigurationError(f"{site.data} holds no site yet. `charthouse start` makes a demonstration there.")
