"""The numbers of signing in: rules from the pack, choices from the site's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files

import yaml

from charthouse.configuration import ConfigurationError, configuration

__all__ = ["SignInPolicy", "sign_in_policy"]


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """What holds at this site. ``idle`` of zero means that idleness does not lock."""

    lockout_failures: int
    lockout_for: timedelta
    password_length: int
    recovery_codes: int
    idle: timedelta
    session: timedelta
    require_totp: bool


@lru_cache(maxsize=1)
def _rules() -> dict[str, dict[str, int]]:
    pack = yaml.safe_load((files(__package__) / "rules" / "sign_in.yaml").read_text("utf-8"))
    return {rule["code"]: rule["parameters"] for rule in pack["rules"]}


def sign_in_policy() -> SignInPolicy:
    """This site's policy. ``site.toml`` may set ``lockout_failures``, ``lockout_minutes``, ``minimum_password_length``
    and ``require_totp``; a real site requires TOTP unless it says otherwise, a demonstration does not."""
    site, rules = configuration(), _rules()

    def number(name: str, default: int, least: int) -> int:
        value = site.extra.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigurationError(
                f"{name} in {site.site_file} is {value!r}: a whole number from {least} is needed."
            )
        return value

    if site.session_hours < 1:
        raise ConfigurationError(f"session_hours in {site.site_file} is 0: a session lasts one hour at least.")
    required = site.extra.get("require_totp", site.kind != "demo")
    if not isinstance(required, bool):
        raise ConfigurationError(f"require_totp in {site.site_file} is {required!r}: true or false is needed.")
    lockout, password = rules["people.lockout"], rules["people.password"]
    return SignInPolicy(
        lockout_failures=number("lockout_failures", lockout["failures"], 1),
        lockout_for=timedelta(minutes=number("lockout_minutes", lockout["minutes"], 1)),
        password_length=number("minimum_password_length", password["minimum_length"], 8),
        recovery_codes=rules["people.second-factor"]["recovery_codes"],
        idle=timedelta(minutes=site.idle_minutes),
        session=timedelta(hours=site.session_hours),
        require_totp=required,
    )
