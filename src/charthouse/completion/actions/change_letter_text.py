"""Change the text of a kind of letter: a new version; those before are kept."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from charthouse.completion.domain.bylaws import LetterKind
from charthouse.completion.domain.letter_texts import LetterText, checked_text
from charthouse.completion.letter_errors import LetterError
from charthouse.completion.letter_models import LetterTemplate
from charthouse.completion.letter_queries import template_of
from charthouse.completion.permissions import CHANGE_LETTERS
from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import append


def change_letter_text(ctx: AccessContext, kind: LetterKind, text: LetterText, seen: int) -> int:
    """Keep a new text for a kind of letter and let it hold from the next letter on; returns its version.

    ``seen`` is the version it was changed from. Raises TemplateError with the faults by field, LetterError where
    somebody changed it since or nothing is changed, PermissionRefused.
    """
    require(ctx, CHANGE_LETTERS)
    kept = checked_text(kind, text)
    try:
        with transaction.atomic():
            holds = template_of(kind)
            if holds.version != seen:
                raise _changed(holds.name)
            if holds.text == kept:
                raise LetterError("Nothing was changed: this is the text that holds.")
            LetterTemplate.objects.create(
                kind=kind,
                version=seen + 1,
                by=ctx.actor,
                name=ctx.name or ctx.actor,
                at=wall(),
                **kept.fields(),
            )
            append(ctx, "completion.change-letter-text", detail={"kind": kind.value, "version": seen + 1})
    except IntegrityError:
        raise _changed(template_of(kind).name) from None
    return seen + 1


def _changed(by: str) -> LetterError:
    return LetterError(
        f"{by or 'Somebody'} changed this text since you opened it. Yours stands below; look at theirs, and send "
        "it again."
    )
