"""Where this installation keeps its things, and how it is set up.

Read once from the environment and from ``site.toml`` in the data directory. Nothing here touches Django or
the database, so that the bootstrap, the doctor and the settings share one truth.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any


class ConfigurationError(Exception):
    """A setting is missing or wrong; the message says which, where and what to do."""


def _base(variable: str, xdg: str, home_part: str, root_part: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    site = os.environ.get("CHARTHOUSE_SITE", "default")
    if not site.replace("-", "").replace("_", "").isalnum():
        raise ConfigurationError(f"CHARTHOUSE_SITE is {site!r}: a site's name has letters, digits, - and _ only.")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and xdg not in os.environ:
        return Path(root_part) / "charthouse" / site
    return Path(os.environ.get(xdg) or Path.home() / home_part) / "charthouse" / site


@dataclass(frozen=True, slots=True)
class Configuration:
    """One installation.

    ``data`` holds the embedded database and the encrypted files; ``keys`` holds what must never lie beside
    them (master key, ledger signing key and heads, session secret). ``kind`` is ``demo``, ``real`` or, before
    the first start, ``new``.
    """

    data: Path
    keys: Path
    kind: str = "new"
    time_zone: str = "UTC"
    idle_minutes: int = 15
    session_hours: int = 12
    host: str = "127.0.0.1"
    port: int = 8765
    mllp_host: str = "127.0.0.1"
    mllp_port: int = 2575
    mllp_certificate: Path | None = None
    mllp_key: Path | None = None
    drop_folder: Path | None = None
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    https: bool = False
    ocr: bool = False
    ocr_languages: str = "eng"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.data / "database"

    @property
    def files(self) -> Path:
        return self.data / "files"

    @property
    def drop(self) -> Path:
        return self.drop_folder or self.data / "drop"

    @property
    def site_file(self) -> Path:
        return self.data / "site.toml"

    @property
    def external_database(self) -> str | None:
        """The application's connection string when an outside server is used."""
        return os.environ.get("DATABASE_URL") or None

    @property
    def external_owner_database(self) -> str | None:
        """The schema owner's connection string; without it the application's own is used."""
        return os.environ.get("DATABASE_OWNER_URL") or self.external_database


_PATHS = {"drop_folder", "mllp_certificate", "mllp_key"}


@lru_cache(maxsize=1)
def configuration() -> Configuration:
    """The installation's configuration, read once. Raises ConfigurationError naming the bad setting."""
    data = _base("CHARTHOUSE_DATA", "XDG_DATA_HOME", ".local/share", "/var/lib")
    keys = _base("CHARTHOUSE_KEYS", "XDG_CONFIG_HOME", ".config", "/etc")
    site_file = data / "site.toml"
    known = {name for name in Configuration.__dataclass_fields__ if name not in {"data", "keys", "extra"}}
    values: dict[str, Any] = {}
    if site_file.exists():
        try:
            values = tomllib.loads(site_file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{site_file} cannot be read: {error}. Mend that line.") from error
    for name in known:
        given = os.environ.get(f"CHARTHOUSE_{name.upper()}")
        if given is not None:
            values[name] = given
    extra = {name: value for name, value in values.items() if name not in known}
    chosen: dict[str, Any] = {}
    for name in known & values.keys():
        chosen[name] = _typed(name, values[name])
    return Configuration(data=data, keys=keys, extra=extra, **chosen)


def _typed(name: str, value: Any) -> Any:
    try:
        if name in {"idle_minutes", "session_hours", "port", "mllp_port"}:
            number = int(value)
            if number < 0:
                raise ValueError
            return number
        if name in {"https", "ocr"}:
            return value if isinstance(value, bool) else str(value).lower() in {"1", "true", "yes"}
        if name == "allowed_hosts":
            return tuple(value.split(",") if isinstance(value, str) else value)
        if name in _PATHS:
            return Path(value).expanduser().absolute()
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name} is {value!r}: a whole number of zero or more is needed.") from None
    return str(value)
