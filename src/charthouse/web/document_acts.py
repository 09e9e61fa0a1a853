"""What somebody may do with an open document, and the forms it is done by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from charthouse.foundation.access.api import AccessContext, Permission, Role, may
from charthouse.frontdesk import api as frontdesk
from charthouse.people import api as people
from charthouse.record import api as record
from charthouse.record.api import Kind, Meaning
from charthouse.record.chart import Document, Mark

from .desk_forms import Field, Group, moment, options

_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Act:
    """One way to correct a document: its address name, what it is for in a sentence, and who may."""

    kind: Kind
    title: str
    about: str
    permission: Permission
    groups: Callable[[AccessContext, UUID, Document], list[Group]]
    saves: str
    apt: Callable[[AccessContext, Document], bool]

    @property
    def url_name(self) -> str:
        return f"correct-{self.kind.value}"


def _why(kind: Kind) -> Group:
    return Group(
        "Why",
        (
            Field("reason", "Reason", kind="choice", blank="Choose", needed=True,
                  options=options(record.reasons(kind))),
            Field("note", "In words", longest=1000, wide=True, help="Kept with it; needed for another reason"),
        ),
    )  # fmt: skip


def _text(title: str, kind: Kind, ctx: AccessContext, *more: Field) -> list[Group]:
    # The text has the focus: in a list of names the next key struck would choose somebody.
    fields = [*more, Field("text", "Text", kind="area", wide=True, needed=True, longest=_LONGEST)]
    if not may(ctx, record.SIGN):
        doctors = tuple((each.actor, each.name) for each in people.colleagues([Role.PHYSICIAN]))
        fields.append(
            Field("dictated_by", "Dictated by", kind="choice", options=doctors, blank="Nobody: my own words")
        )
    else:
        fields.append(Field("sign", "Sign it at once", kind="check"))
    return [Group(title, tuple(fields)), _why(kind)]


def _addendum(ctx: AccessContext, person: UUID, document: Document) -> list[Group]:
    return _text("The addendum", Kind.ADDENDUM, ctx)


def _late_entry(ctx: AccessContext, person: UUID, document: Document) -> list[Group]:
    return _text(
        "The late entry", Kind.LATE_ENTRY, ctx, *moment("when", "Speaks of", "The day it happened", needed=True)
    )


def _amendment(ctx: AccessContext, person: UUID, document: Document) -> list[Group]:
    text = Field(
        "text", "The text as it should read", kind="area", wide=True, needed=True, longest=_LONGEST,
        value=document.own_text or "",
    )  # fmt: skip
    return [Group("The document", (text,)), _why(Kind.AMENDMENT)]


def _only_why(kind: Kind) -> Callable[[AccessContext, UUID, Document], list[Group]]:
    return lambda ctx, person, document: [_why(kind)]


def _encounter(ctx: AccessContext, person: UUID, document: Document) -> list[Group]:
    listed = tuple(
        (each.value, each.title)
        for each in frontdesk.encounters(ctx, person, limit=None)
        if each.value != document.encounter
    )
    chosen = Field(
        "encounter", "Encounter it belongs to", kind="choice", options=listed, blank="Choose", needed=True
    )
    return [Group("Where it belongs", (chosen,)), _why(Kind.WRONG_ENCOUNTER)]


def _signed_it(ctx: AccessContext, document: Document) -> bool:
    return (
        document.final
        and document.own_text is not None
        and any(each.signer == ctx.actor and each.meaning is Meaning.AUTHOR for each in document.signed)
    )


def _unquestioned(ctx: AccessContext, document: Document) -> bool:
    return document.questioned is None


ACTS = (
    Act(
        Kind.ADDENDUM,
        "Addendum",
        "Adds new information beside it.",
        record.ADD_TO_DOCUMENT,
        _addendum,
        "File the addendum",
        lambda ctx, document: True,
    ),
    Act(
        Kind.LATE_ENTRY,
        "Late entry",
        "Tells what was missed at the time; it bears today's date and names the moment it speaks of.",
        record.ADD_TO_DOCUMENT,
        _late_entry,
        "File the late entry",
        lambda ctx, document: True,
    ),
    Act(
        Kind.AMENDMENT,
        "Amendment",
        "Changes the text of what you signed, and signs it anew; the text before stays readable.",
        record.AMEND,
        _amendment,
        "Amend and sign",
        _signed_it,
    ),
    Act(
        Kind.WRONG_ENCOUNTER,
        "Wrong encounter",
        "Puts it under another encounter of this chart.",
        record.MOVE_TO_ENCOUNTER,
        _encounter,
        "Move it",
        _unquestioned,
    ),
    Act(
        Kind.RETRACTION,
        "Retraction",
        "Takes it back. It is listed no more and stays readable, marked.",
        record.ASK_TO_RETRACT,
        _only_why(Kind.RETRACTION),
        "Ask for it",
        _unquestioned,
    ),
    Act(
        Kind.WRONG_PATIENT,
        "Wrong patient",
        "Takes it into the chart it belongs to; here stays that one was taken out, and nothing it said.",
        record.ASK_TO_RETRACT,
        _only_why(Kind.WRONG_PATIENT),
        "Ask for it",
        lambda ctx, document: document.questioned is None and document.type in record.MOVED_TYPES,
    ),
)


def stands(document: Document) -> bool:
    """Whether something may still be done with the version at hand."""
    return document.mark is not Mark.RETRACTED and document.version == document.versions


def acts_of(ctx: AccessContext, document: Document) -> list[Act]:
    """The ways in which the asker may correct a document."""
    if not stands(document):
        return []
    return [each for each in ACTS if may(ctx, each.permission) and each.apt(ctx, document)]


def may_change(ctx: AccessContext, document: Document) -> bool:
    """Whether the asker may change the text: nobody signed it yet, and they wrote, dictated or transcribed it."""
    return (
        stands(document)
        and may(ctx, record.REVISE)
        and document.unsigned
        and document.own_text is not None
        and ctx.actor in document.makers
    )


def meanings_of(ctx: AccessContext, document: Document) -> list[Meaning]:
    """What the asker may say of a document by signing it."""
    if not stands(document) or document.type not in record.SIGNED_TYPES:
        return []
    found: list[Meaning] = []
    signed = bool(document.signed)
    if may(ctx, record.SIGN):
        if not (document.final and signed) and document.wrote(ctx.keys, ctx.name):
            found.append(Meaning.AUTHOR)
        elif document.unsigned and document.written_elsewhere:
            found.append(Meaning.ATTESTATION)
        if document.final:
            mine = {each.meaning for each in document.signed if each.signer == ctx.actor}
            found += [each for each in (Meaning.COSIGNER, Meaning.ATTESTATION) if each not in mine]
    verified = any(each.stage is record.Stage.VERIFIED for each in document.stages)
    if may(ctx, record.VERIFY_TRANSCRIPTION) and document.unsigned and not verified and _transcribed(document):
        found.append(Meaning.VERIFIER)
    return found


def _transcribed(document: Document) -> bool:
    return any(each.stage is record.Stage.TRANSCRIBED for each in document.stages)


def context(ctx: AccessContext, document: Document) -> dict[str, object]:
    """What the reader of a document needs to offer what may be done."""
    acts: Iterable[Act] = acts_of(ctx, document)
    return {
        "acts": acts,
        "may_sign": bool(meanings_of(ctx, document)),
        "may_change": may_change(ctx, document),
        "may_add": any(each.kind is Kind.ADDENDUM for each in acts),
        "older_version": document.version != document.versions,
        "of_version": f"?version={document.version}" if document.version != document.versions else "",
    }
