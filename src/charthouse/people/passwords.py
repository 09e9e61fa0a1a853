"""The length rule for passwords; commonness and likeness are Django's own validators."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from .policy import sign_in_policy

__all__ = ["LongEnough"]


class LongEnough:
    """Refuses a password shorter than the site's rule (``people.password``)."""

    def validate(self, password: str, user: object = None) -> None:
        least = sign_in_policy().password_length
        if len(password) < least:
            raise ValidationError(
                f"This password has {len(password)} characters; at least {least} are needed. "
                "A few words in a row do well.",
                code="password_too_short",
            )

    def get_help_text(self) -> str:
        return (
            f"At least {sign_in_policy().password_length} characters; not a common password, not like your name. "
            "A few words in a row do well."
        )
