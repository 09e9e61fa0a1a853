"""The numbers of signing in: rules from the pack, choices from the site's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from charthouse.configuration import ConfigurationError, configuration
from charthouse.foundation.rulepacks.api import parameter

__all__ = ["SignInPolicy", "sign_in_policy"]


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """What holds at this site. ``idle`` of zero means that idleness does not lock."""

    lockout_failures: int
    lockout_for: timedelta
    password_length: int
    idle: timedelta
    session: timedelta
    require_totp: bool
    invitation: timedelta


def sign_in_policy() -> SignInPolicy:
    """This site's policy.

    ``site.toml`` may set ``lockout_failures``, ``lockout_minutes``, ``minimum_password_length`` and
    ``require_totp``; a real site requires TOTP unless it says otherwise, a demonstration does not. Raises
    ConfigurationError.
    """
    site = configuration()

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
    return SignInPolicy(
        lockout_failures=number("lockout_failures", int(parameter("people.lockout", "failures")), 1),
        lockout_for=timedelta(minutes=number("lockout_minutes", int(parameter("people.lockout", "minutes")), 1)),
        password_length=number("minimum_password_length", int(parameter("people.password", "minimum_length")), 8),
        idle=timedelta(minutes=site.idle_minutes),
        session=timedelta(hours=site.session_hours),
        require_totp=required,
        invitation=timedelta(days=int(parameter("people.invitation", "days"))),
    )
