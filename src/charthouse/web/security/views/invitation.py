"""Accept an invitation: the invited person sets the password, and signs in with it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from charthouse.people.api import accept_invitation, sign_in_policy
from charthouse.web.security.forms import InvitationForm
from charthouse.web.security.screens import public

__all__ = ["invitation"]


@public
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Name, code and the new password. Neither name nor code ever stands in an address."""
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        faults = accept_invitation(request, given["login"], given["code"], given["new"])
        if not faults:
            messages.success(request, "Your password is set. Sign in with it.")
            return HttpResponseRedirect(reverse("account_login"))
        for fault in faults:
            form.add_error(None, fault)
    context = {"form": form, "least": sign_in_policy().password_length}
    return render(request, "account/invitation.html", context)
