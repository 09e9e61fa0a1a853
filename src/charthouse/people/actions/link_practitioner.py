"""Say which practitioner of the directory an account's owner is."""

from __future__ import annotations

from django.db import transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.people.models import Practitioner, User
from charthouse.people.permissions import MANAGE_ACCOUNTS

from . import _ledger
from ._ledger import user_subject
from .manage_accounts import AccountError


def link_practitioner(ctx: AccessContext, user_id: int, practitioner_id: int | None) -> bool:
    """Let an account be a practitioner (any entry of theirs), or none; False where that is so already.

    Its owner then answers for what names any entry of that practitioner as author, so that one practitioner is one
    account's. Counts with the next request. Raises AccountError for an account or entry there is not, and for a
    practitioner who is another account's.
    """
    require(ctx, MANAGE_ACCOUNTS)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise AccountError(f"There is no account {user_id}.")
        root = _held(practitioner_id) if practitioner_id is not None else None
        before = user.practitioner
        if (before.canonical_id if before else None) == (root.pk if root else None):
            return False
        if root is not None:
            other = User.objects.filter(practitioner__canonical_id=root.pk).exclude(pk=user.pk).first()
            if other is not None:
                raise AccountError(
                    f"This practitioner is {other.username} already. Take the practitioner from that account first."
                )
        user.practitioner = root
        user.save(update_fields=["practitioner"])
        _ledger.append(
            ctx,
            "people.link-practitioner",
            subjects=[user_subject(user)],
            detail={
                "practitioner": root.public_id if root else None,
                "before": before.public_id if before else None,
            },
        )
    return True


def _held(practitioner_id: int) -> Practitioner:
    """The entry that stands for a practitioner, held so that two accounts cannot take it at once."""
    named = Practitioner.objects.filter(pk=practitioner_id).first()
    if named is None:
        raise AccountError("There is no such practitioner in the directory.")
    root = Practitioner.objects.select_for_update().get(pk=named.canonical_id)
    if root.merged_into_id is not None:
        raise AccountError("This practitioner was merged just now. Look the practitioner up anew.")
    return root
