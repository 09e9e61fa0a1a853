"""One's own account: password, authenticator, recovery codes, sessions."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from allauth.mfa.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from charthouse.foundation.access.api import AccessContext
from charthouse.people.api import (
    OWN_ACCOUNT,
    Obligation,
    User,
    change_password,
    confirm_password,
    end_other_sessions,
    end_own_session,
    enrol_totp,
    factors_of,
    offered_secret,
    own_failures,
    own_sessions,
    renew_recovery_codes,
    sign_in_policy,
)
from charthouse.web.security.forms import ConfirmForm, EnrolForm, PasswordForm
from charthouse.web.security.screens import screen

__all__ = ["account", "end_others", "end_session", "password", "recovery_codes", "totp"]


def _ctx(request: HttpRequest) -> AccessContext:
    """The asker, also while something has to be done first."""
    found = getattr(request, "access", None) or request.obliged  # type: ignore[attr-defined]
    return cast(AccessContext, found)


def _is_obliged(request: HttpRequest) -> bool:
    return hasattr(request, "obliged")


@screen(OWN_ACCOUNT)
@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Everything about the account on one page."""
    ctx, user = _ctx(request), cast(User, request.user)
    context = {
        "user": user,
        "roles": sorted(role.title for role in ctx.roles),
        "factors": factors_of(user),
        "sessions": own_sessions(ctx),
        "past": own_sessions(ctx, ended=True, limit=20),
        "failures": own_failures(ctx),
        "policy": sign_in_policy(),
    }
    return render(request, "account/security.html", context)


@screen(OWN_ACCOUNT, before=[Obligation.CHANGE_PASSWORD])
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change the password."""
    form = PasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        faults = change_password(_ctx(request), request, form.cleaned_data["current"], form.cleaned_data["new"])
        if not faults:
            messages.success(request, "The password is changed; every other session has ended.")
            return HttpResponseRedirect("/" if _is_obliged(request) else reverse("account"))
        for fault in faults:
            form.add_error(None, fault)
    context = {"form": form, "obliged": _is_obliged(request), "least": sign_in_policy().password_length}
    return render(request, "account/password_change.html", context)


@screen(OWN_ACCOUNT, before=[Obligation.ENROL_TOTP])
@require_http_methods(["GET", "POST"])
def totp(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator, or replace it; then the recovery codes, once."""
    ctx, user, obliged = _ctx(request), cast(User, request.user), _is_obliged(request)
    posted = request.POST if request.method == "POST" else None
    form, confirm = EnrolForm(posted), None if obliged else ConfirmForm(posted)
    if posted is not None and form.is_valid() and (confirm is None or confirm.is_valid()):
        # Who finds an open session must not be able to bind their own telephone to it.
        if confirm is not None and not confirm_password(
            ctx, request, confirm.cleaned_data["password"], "people.enrol-totp"
        ):
            confirm.add_error("password", "The password is not right.")
        elif (codes := enrol_totp(ctx, request, form.cleaned_data["code"])) is not None:
            return _shown_codes(request, codes, "Your authenticator is set up")
        else:
            form.add_error("code", "This code is not right. Scan the picture anew, and give the code shown now.")
    secret = offered_secret(request, fresh=posted is None)
    adapter = get_adapter()
    context = {
        "form": form,
        "confirm": confirm,
        "obliged": obliged,
        "replaces": factors_of(user).totp_since is not None,
        "picture": mark_safe(adapter.build_totp_svg(adapter.build_totp_url(user, secret))),  # noqa: S308
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
    }
    return render(request, "mfa/totp/activate_form.html", context)


@screen(OWN_ACCOUNT)
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Make new recovery codes and show them once."""
    ctx = _ctx(request)
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if confirm_password(ctx, request, form.cleaned_data["password"], "people.renew-recovery-codes"):
            return _shown_codes(request, renew_recovery_codes(ctx, request), "New recovery codes")
        form.add_error("password", "The password is not right.")
    return render(request, "mfa/recovery_codes/generate.html", {"form": form})


def _shown_codes(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    """The only time they are shown; they stand in this response and nowhere else in clear."""
    return render(request, "mfa/recovery_codes/index.html", {"codes": codes, "title": title})


@screen(OWN_ACCOUNT)
@require_POST
def end_session(request: HttpRequest, session: UUID) -> HttpResponse:
    """End one of one's own sessions."""
    if end_own_session(_ctx(request), session):
        messages.success(request, "That session has ended.")
    return HttpResponseRedirect(reverse("account"))


@screen(OWN_ACCOUNT)
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End every session but this one."""
    ended = end_other_sessions(_ctx(request))
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return HttpResponseRedirect(reverse("account"))
