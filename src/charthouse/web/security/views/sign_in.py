"""Sign in, the second factor, and sign out. The steps are allauth's; what they do is people's."""

from __future__ import annotations

from typing import Any

from allauth.account.views import LoginView
from allauth.mfa.base.views import AuthenticateView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from charthouse.people.api import SessionState, sign_in_policy, sign_out, state_of
from charthouse.web.security.forms import CodeForm, SignInForm
from charthouse.web.security.screens import public

__all__ = ["enter_code", "leave", "locked_out", "sign_in"]


class SignInView(LoginView):  # type: ignore[misc]
    form_class = SignInForm
    template_name = "account/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and state_of(request) is SessionState.SIGNED_OUT:
            sign_out(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        # A link from another site comes without our strict cookies; one click from here comes with them.
        context["from_elsewhere"] = self.request.headers.get("Sec-Fetch-Site") == "cross-site"
        context["onward"] = self.get_next_url() or "/"
        return context


class CodeView(AuthenticateView):  # type: ignore[misc]
    form_class = CodeForm
    template_name = "mfa/authenticate.html"

    def get_form_class(self) -> type[CodeForm]:
        return CodeForm


sign_in = public(SignInView.as_view())
enter_code = public(CodeView.as_view())


@public
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Sign out. Open to anybody, so that a locked or expired session can be left too."""
    sign_out(request)
    return HttpResponseRedirect(reverse("account_login"))


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """429 after too many failures, the same for accounts there are and are not."""
    minutes = int(sign_in_policy().lockout_for.total_seconds() // 60)
    answer = render(request, "account/locked_out.html", {"minutes": minutes}, status=429)
    answer.headers["Retry-After"] = str(minutes * 60)
    return answer
