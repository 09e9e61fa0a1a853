"""One-time codes and recovery codes, kept by django-allauth. The only module that knows allauth's inner parts."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import segno
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import transaction
from django.utils.crypto import constant_time_compare

from charthouse.foundation import clock
from charthouse.foundation.database.secrets import key_file

from .models import User

__all__ = [
    "Factor",
    "Factors",
    "activate_totp",
    "factors_of",
    "has_totp",
    "new_recovery_codes",
    "new_secret",
    "open_text",
    "qr_svg",
    "remove_factors",
    "seal_text",
    "use_code",
]

_NONCE = 12
_KEY_NAME = "authenticator-key"


class Factor(StrEnum):
    """What a code was."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery-code"


@dataclass(frozen=True, slots=True)
class Factors:
    """A person's second factors, for their account page."""

    totp_since: datetime | None
    recovery_codes_left: int


def seal_text(text: str) -> str:
    """Encrypt a secret for the database: AES-256-GCM under a key that lies in the key directory."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key_file(_KEY_NAME)).encrypt(nonce, text.encode(), None)).decode()


def open_text(sealed: str) -> str:
    """The inverse of :func:`seal_text`; raises InvalidTag for a value of another key."""
    data = base64.b64decode(sealed)
    return AESGCM(key_file(_KEY_NAME)).decrypt(data[:_NONCE], data[_NONCE:], None).decode()


def new_secret() -> str:
    """A fresh TOTP secret, base32, 160 bits (RFC 4226, requirement R6)."""
    return str(generate_totp_secret())


def qr_svg(url: str) -> str:
    """The provisioning URL as an inline SVG, with neither script nor style in it."""
    return str(
        segno.make(url, error="m", micro=False).svg_inline(
            scale=5, border=4, light="#fff", dark="#000", svgclass="qr", lineclass=None, omitsize=False
        )
    )


def has_totp(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def factors_of(user: User) -> Factors:
    rows = {row.type: row for row in Authenticator.objects.filter(user=user)}
    totp, codes = rows.get(Authenticator.Type.TOTP), rows.get(Authenticator.Type.RECOVERY_CODES)
    return Factors(
        totp_since=totp.created_at if totp else None,
        recovery_codes_left=len(RecoveryCodes(codes).get_unused_codes()) if codes else 0,
    )


def activate_totp(user: User, secret: str, code: str) -> bool:
    """Put ``secret`` in force, in place of an older one, if ``code`` is right for it now; the code is then used."""
    step = _matching_step(secret, code)
    if step is None:
        return False
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
        row = TOTP.activate(user, secret).instance
        row.data["last_step"] = step
        row.save(update_fields=["data"])
    return True


def new_recovery_codes(user: User) -> list[str]:
    """Make new recovery codes and void the old ones. They are not to be shown again."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
        return list(RecoveryCodes.activate(user).generate_codes())


def remove_factors(user: User) -> int:
    """Take away every second factor; returns how many there were."""
    return int(Authenticator.objects.filter(user=user).delete()[0])


def use_code(user: User, code: str) -> Factor | None:
    """Which factor ``code`` is right for, or None. Each is good once, in every process (RFC 6238, section 5.2)."""
    code = "".join(code.split()).replace("-", "")
    with transaction.atomic():
        rows = {row.type: row for row in Authenticator.objects.select_for_update().filter(user=user)}
        if (totp := rows.get(Authenticator.Type.TOTP)) is not None and _use_totp(totp, code):
            return Factor.TOTP
        codes = rows.get(Authenticator.Type.RECOVERY_CODES)
        if codes is not None and RecoveryCodes(codes).validate_code(code):
            Authenticator.objects.filter(pk=codes.pk).update(last_used_at=clock.wall())
            return Factor.RECOVERY_CODE
    return None


def _use_totp(row: Any, code: str) -> bool:
    step = _matching_step(decrypt(row.data["secret"]), code)
    if step is None or step <= row.data.get("last_step", -1):
        return False
    row.data["last_step"] = step
    row.last_used_at = clock.wall()
    row.save(update_fields=["data", "last_used_at"])
    return True


def _matching_step(secret: str, code: str) -> int | None:
    """The time step ``code`` is right for, one step either side of now (RFC 6238, section 6); None for none."""
    found = None
    for step in yield_hotp_counters_from_time():
        if constant_time_compare(format_hotp_value(hotp_value(secret, step)), code):
            found = step
    return found
