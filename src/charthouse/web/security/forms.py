"""The forms of signing in and of one's own account."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from allauth.core import context
from django import forms
from django.core.exceptions import ValidationError

from charthouse.people.api import User, check_code

__all__ = ["CodeForm", "InvitationForm", "PasswordForm", "SignInForm", "UnlockForm"]

WRONG_CODE = "This code is not right, or was used before. Wait for the next one and try again."


def _field(label: str, kind: type[forms.Widget], **attributes: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=254, strip=False, widget=kind(attrs=attributes))


class SignInForm(LoginForm):  # type: ignore[misc]
    """User name (or e-mail address) and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = _field(
            "User name or e-mail address",
            forms.TextInput,
            autocomplete="username",
            autocapitalize="none",
            spellcheck="false",
            autofocus=True,
        )
        self.fields["password"] = _field("Password", forms.PasswordInput, autocomplete="current-password")
        self.order_fields(["login", "password"])


class CodeForm(forms.Form):
    """The authenticator's code, or a recovery code. Allauth's second step of signing in."""

    code = _field("Code", forms.TextInput, autocomplete="one-time-code", inputmode="numeric", autofocus=True)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if check_code(context.request, self.user, code) is None:
            raise ValidationError(WRONG_CODE)
        return code

    def save(self) -> None:
        """Allauth asks for this; the code was used when it was checked."""


class UnlockForm(forms.Form):
    """The password or a code."""

    secret = _field(
        "Password, or code of your authenticator",
        forms.PasswordInput,
        autocomplete="current-password",
        autofocus=True,
    )


class ConfirmForm(forms.Form):
    """The password once more, before something that matters."""

    password = _field("Your password", forms.PasswordInput, autocomplete="current-password")


class EnrolForm(forms.Form):
    """The first code of a new authenticator."""

    code = _field("Six-digit code", forms.TextInput, autocomplete="one-time-code", inputmode="numeric")


class PasswordForm(forms.Form):
    """The current password and the new one."""

    current = _field("Current password", forms.PasswordInput, autocomplete="current-password")
    new = _field("New password", forms.PasswordInput, autocomplete="new-password")


class InvitationForm(forms.Form):
    """What an invited person has been handed, and the password they choose."""

    login = _field(
        "User name",
        forms.TextInput,
        autocomplete="username",
        autocapitalize="none",
        spellcheck="false",
        autofocus=True,
    )
    code = _field(
        "Code of the invitation", forms.TextInput, autocomplete="off", autocapitalize="none", spellcheck="false"
    )
    new = _field("Your new password", forms.PasswordInput, autocomplete="new-password")
