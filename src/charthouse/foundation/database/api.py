"""The database an installation uses: the embedded server, or an outside one by ``DATABASE_URL``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from charthouse.configuration import ConfigurationError, configuration

__all__ = ["APPLICATION_ROLE", "DATABASE_NAME", "OWNER_ROLE", "django_database"]

DATABASE_NAME = "charthouse"
OWNER_ROLE = "charthouse_owner"
APPLICATION_ROLE = "charthouse_app"


def django_database(*, owner: bool) -> dict[str, Any]:
    """Django's DATABASES entry for the schema's owner (migrations) or the application (everything else)."""
    site = configuration()
    url = site.external_owner_database if owner else site.external_database
    if url:
        return _from_url(url)
    raise ConfigurationError("DATABASE_URL is not set.")


def _from_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ConfigurationError(f"DATABASE_URL begins with {parts.scheme!r}: postgresql:// is needed.")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or DATABASE_NAME,
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": str(parts.port or options.pop("port", "")),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
