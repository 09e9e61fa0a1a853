"""How django-allauth's sign-in is bent to Charthouse: what it may do, what it writes, and where it says nothing."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from .authenticators import open_text, qr_svg, seal_text
from .models import User

__all__ = ["AccountAdapter", "MfaAdapter"]


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """No sign-up, no mail, no flash messages; every outcome through an action, and so in the ledger."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The name or the password is not right. Check both and try again.",
        "too_many_login_attempts": "Too many attempts. Wait a little, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        return ["allauth.mfa.stages.AuthenticateStage"]

    def get_client_ip(self, request: HttpRequest) -> str:
        return str(request.META.get("REMOTE_ADDR", ""))

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Allauth's own messages are not shown."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Charthouse sends no mail for accounts."""

    def is_safe_url(self, url: str) -> bool:
        """Only a path of this very site; an absolute address never."""
        return url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        from .actions.sign_in import check_password

        return check_password(request, **credentials)

    def login(self, request: HttpRequest, user: User) -> None:
        from .actions.sign_in import begin_session

        super().login(request, user)
        begin_session(request, user)


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed; the QR code is drawn here."""

    def encrypt(self, text: str) -> str:
        return seal_text(text)

    def decrypt(self, encrypted_text: str) -> str:
        return open_text(encrypted_text)

    def build_totp_svg(self, url: str) -> str:
        return qr_svg(url)

    def get_totp_issuer(self) -> str:
        from .queries import organization_name

        return f"Charthouse, {organization_name()}"

    def get_totp_label(self, user: User) -> str:
        return user.username
