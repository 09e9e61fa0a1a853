"""People: who has an account, in which roles, from where they sign in, and what an administrator does about it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.foundation.access.api import Role, may
from charthouse.foundation.ledger import api as ledger
from charthouse.people import api as people
from charthouse.web.numbers import SMALL, whole
from charthouse.web.security.api import SignedInRequest, screen

_STATES = (
    (people.AccountState.ACTIVE, "Active"),
    (people.AccountState.DISABLED, "Disabled"),
    (people.AccountState.LOCKED_OUT, "Locked out"),
    (people.AccountState.INVITED, "Invited"),
    (people.AccountState.NEVER_SIGNED_IN, "Never signed in"),
)
_ROLES = {role.value: role for role in Role}
_HISTORY = (
    (people.AccountHistory.SIGN_INS, "Sign-ins and failures"),
    (people.AccountHistory.CHANGES, "All about the account"),
    (people.AccountHistory.REFUSALS, "Refused"),
)
_WORDS = {
    "people.accept-invitation": "set the password by invitation",
    "people.add-account": "account made",
    "people.change-password": "password changed",
    "people.change-roles": "roles changed",
    "people.disable-account": "account disabled",
    "people.enable-account": "account enabled",
    "people.end-account-sessions": "sessions ended by an administrator",
    "people.end-other-sessions": "other sessions ended",
    "people.end-role": "role ended",
    "people.end-session": "a session ended from the account page",
    "people.enrol-totp": "authenticator set up",
    "people.grant-role": "role given",
    "people.invite": "invitation made",
    "people.link-practitioner": "practitioner set",
    "people.lock": "session locked",
    "people.lockout": "locked out",
    "people.renew-recovery-codes": "new recovery codes",
    "people.reset-password": "password reset",
    "people.reset-totp": "second factor reset",
    "people.session-expired": "session expired",
    "people.sign-in": "sign-in",
    "people.sign-out": "sign-out",
    "people.unlock": "session unlocked",
    "people.unlock-account": "failures forgotten",
    "access.refused": "refused",
}
_LONGEST = 200


def _text(request: SignedInRequest, name: str, longest: int = _LONGEST) -> str:
    return " ".join(request.POST.get(name, "").replace("\0", "").split())[:longest]


@screen(people.SEE_ACCOUNTS)
@require_safe
def everybody(request: SignedInRequest) -> HttpResponse:
    """The accounts, by user name, by part of a name, role, facility and state."""
    asked = request.GET
    states = {state.value: state for state, _ in _STATES}
    wanted = people.AccountFilter(
        text=asked.get("text", "")[:_LONGEST].strip(),
        role=_ROLES.get(asked.get("role", "")),
        facility=whole(asked.get("facility", ""), SMALL),
        state=states.get(asked.get("state", "")),
    )
    page = people.find_accounts(request.access, wanted, asked.get("after", "")[:_LONGEST].replace("\0", ""))
    kept = {name: value for name, value in asked.items() if name != "after" and value}
    context = {
        "wanted": wanted,
        "page": page,
        "filtered": bool(wanted.text or wanted.role or wanted.facility or wanted.state),
        "roles": sorted(Role, key=lambda role: role.title),
        "states": _STATES,
        "facilities": people.facilities(),
        "may_manage": may(request.access, people.MANAGE_ACCOUNTS),
        "next": urlencode(kept | {"after": page.next}) if page.next else "",
    }
    return render(request, "web/people/list.html", context)


def _grid(held: set[people.Grant]) -> dict[str, object]:
    """The roles by where they hold, as boxes: each role everywhere, and at each facility still open or held."""
    places = [
        place
        for place in people.facilities()
        if place.closed_at is None or any(facility == place.id for _, facility in held)
    ]
    return {
        "places": places,
        "grid": [
            (
                role,
                [
                    (role.value if place is None else f"{role.value}@{place.id}", place, at in held)
                    for place in (None, *places)
                    for at in [(role, place.id if place else None)]
                ],
            )
            for role in sorted(Role, key=lambda role: role.title)
        ],
    }


def _grants(request: SignedInRequest) -> set[people.Grant]:
    """The boxes that were ticked. Raises AccountError for one there is not."""
    chosen: set[people.Grant] = set()
    for box in request.POST.getlist("grant"):
        role, _, facility = box.partition("@")
        if role not in _ROLES or (facility and whole(facility, SMALL) is None):
            raise people.AccountError("That role or facility is not known. Load the page anew and choose again.")
        chosen.add((_ROLES[role], whole(facility, SMALL)))
    return chosen


@screen(people.MANAGE_ACCOUNTS)
@require_http_methods(["GET", "POST"])
def invite(request: SignedInRequest) -> HttpResponse:
    """Invite somebody; what they set their password with is shown once."""
    fault, held = "", set[people.Grant]()
    if request.method == "POST":
        try:
            held = _grants(request)
            issued = people.invite_person(
                request.access,
                username=_text(request, "username"),
                display_name=_text(request, "display_name"),
                email=_text(request, "email"),
                grants=held,
            )
        except people.AccountError as error:
            fault = str(error)
        else:
            return _shown(request, issued)
    values = {name: _text(request, name) for name in ("username", "display_name", "email")}
    context = {"fault": fault, "values": values, "days": people.sign_in_policy().invitation.days, **_grid(held)}
    return render(request, "web/people/invite.html", context, status=422 if fault else 200)


def _shown(request: SignedInRequest, issued: people.IssuedInvitation) -> HttpResponse:
    """The only time the code is shown; it stands in this response and nowhere else in clear."""
    address = request.build_absolute_uri("/invitation/")
    return render(request, "web/people/invitation.html", {"issued": issued, "address": address})


@screen(people.SEE_ACCOUNTS)
@require_safe
def person(request: SignedInRequest, account: int) -> HttpResponse:
    """One account: roles, how its owner signs in, sessions, and what the ledger holds about it."""
    ctx = request.access
    found = people.account(ctx, account)
    if found is None:
        raise Http404("There is no such account.")
    kinds = {which.value: which for which, _ in _HISTORY}
    which = kinds.get(request.GET.get("history", ""), people.AccountHistory.SIGN_INS)
    try:
        history = people.account_history(ctx, account, which, request.GET.get("before", ""))
    except ValueError as error:
        raise Http404(str(error)) from error
    held = {(grant.role, grant.facility) for grant in found.grants if grant.in_force}
    context = {
        "account": found,
        "line": found.line,
        "own": ctx.actor == found.actor,
        "sessions": people.sessions_of(ctx, account),
        "histories": _HISTORY,
        "which": which.value,
        "history": [(line, _WORDS.get(line.action, line.action)) for line in history.lines],
        "next": urlencode({"history": which.value, "before": history.next}) if history.next else "",
        "may_manage": may(ctx, people.MANAGE_ACCOUNTS),
        "may_read_ledger": may(ctx, ledger.LEDGER_READ),
        "days": people.sign_in_policy().invitation.days,
        **_grid(held),
    }
    ledger.append_read(ctx, "account.read", subjects=[ledger.Subject("user", str(account))])
    return render(request, "web/people/person.html", context)


def _done(request: SignedInRequest, account: int, act: Callable[[], str]) -> HttpResponse:
    """Do something to an account, say what came of it, and go back to it."""
    try:
        messages.success(request, act())
    except people.AccountError as error:
        messages.error(request, str(error))
    return redirect("people-person", account=account)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def roles(request: SignedInRequest, account: int) -> HttpResponse:
    """Let the account hold exactly the roles ticked."""

    def act() -> str:
        changed = people.change_roles(request.access, account, _grants(request), _text(request, "reason", 500))
        return "The roles are changed; they hold from now on." if changed else "These are the roles held already."

    return _done(request, account, act)


@screen(people.MANAGE_ACCOUNTS)
@require_http_methods(["GET", "HEAD", "POST"])
def practitioner(request: SignedInRequest, account: int) -> HttpResponse:
    """Find the practitioner that the account's owner is, and choose; or say that they are none."""
    if request.method == "POST":

        def act() -> str:
            chosen = request.POST.get("practitioner", "")
            if chosen and whole(chosen) is None:
                raise people.AccountError("Choose a practitioner of the directory.")
            if not people.link_practitioner(request.access, account, whole(chosen)):
                return "That is so already."
            if not chosen:
                return "The account is no practitioner now."
            return "From now on the practitioner’s unsigned documents wait for this account."

        return _done(request, account, act)
    found = people.account(request.access, account)
    if found is None:
        raise Http404("There is no such account.")
    text = " ".join(request.GET.get("text", found.line.display_name).replace("\0", "").split())[:_LONGEST]
    context = {
        "account": found,
        "line": found.line,
        "text": text,
        "entries": people.find_practitioners(request.access, text),
    }
    ledger.append_read(request.access, "account.read", subjects=[ledger.Subject("user", str(account))])
    return render(request, "web/people/practitioner.html", context)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def disable(request: SignedInRequest, account: int) -> HttpResponse:
    """Let nobody sign in with it any more."""

    def act() -> str:
        people.disable_account(request.access, account, _text(request, "reason", 500))
        return "Disabled. Its sessions have ended."

    return _done(request, account, act)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def enable(request: SignedInRequest, account: int) -> HttpResponse:
    """Let it sign in again."""

    def act() -> str:
        people.enable_account(request.access, account)
        return "Enabled, with the roles it still has."

    return _done(request, account, act)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def reset_factor(request: SignedInRequest, account: int) -> HttpResponse:
    """Take the authenticator away; a new one is set up at the next sign-in."""

    def act() -> str:
        people.reset_totp(request.access, account)
        return "The second factor is gone and the sessions have ended; a new one is set up at the next sign-in."

    return _done(request, account, act)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def unlock(request: SignedInRequest, account: int) -> HttpResponse:
    """Let the owner try to sign in again at once."""

    def act() -> str:
        forgotten = people.unlock_account(request.access, account)
        return "Unlocked." if forgotten else "There was nothing to unlock."

    return _done(request, account, act)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def invite_again(request: SignedInRequest, account: int) -> HttpResponse:
    """A new invitation; the password stops at once."""
    try:
        return _shown(request, people.invite_again(request.access, account))
    except people.AccountError as error:
        messages.error(request, str(error))
        return redirect("people-person", account=account)


@screen(people.MANAGE_ACCOUNTS)
@require_POST
def end_sessions(request: SignedInRequest, account: int, session: UUID | None = None) -> HttpResponse:
    """End one session of the account, or all."""

    def act() -> str:
        ended = people.end_account_sessions(request.access, account, session)
        return f"{ended} session{'' if ended == 1 else 's'} ended."

    return _done(request, account, act)
