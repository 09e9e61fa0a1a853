"""Documents: their list, and their contents as a screen reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

import nh3

from charthouse.exchange.cda import api as cda
from charthouse.record.chart import Document, DocumentEntry, Part, PartKind, When
from charthouse.record.domain.attachments import attachments_of, decoded
from charthouse.record.domain.documents import (
    ADDED,
    Kind,
    added_to,
    correction_of,
    is_final,
    is_unsigned,
    makers,
    own_text,
    stages,
    written_elsewhere,
    wrote,
)

from .clinical import detail
from .elements import code, concept, concepts, first_when, items, reference, references, when
from .item import Item, item_of

if TYPE_CHECKING:
    from charthouse.record.queries import Stored

#: What may stand in a narrative on screen: text, tables and lists; nothing that runs, loads or styles.
_TAGS = {
    "a", "abbr", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "div",
    "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "li", "ol", "p", "pre", "q", "s",
    "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan", "scope"}, "col": {"span"}}
_RELATIONS = {
    "replaces": "replaces",
    "transforms": "is a rendering of",
    "signs": "signs",
    "appends": "is an addendum to",
}


def sanitized(html: str) -> str:
    """A narrative fit for a screen: no scripts, styles, links out, images or attributes beyond table spans."""
    return nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=set(), link_rel=None)


def entries(found: Sequence[Item]) -> list[DocumentEntry]:
    """The list of documents. A report whose text stands in a DocumentReference, too, is listed once."""
    listed = [entry(item) for item in found if item.type != "DiagnosticReport"]
    said = {digest for item in found if item.type != "DiagnosticReport" for digest in digests(item)}
    for item in found:
        if item.type == "DiagnosticReport":
            own = digests(item)
            if own and not own <= said:
                listed.append(entry(item))
    return sorted(listed, key=lambda row: (row.when.instant is not None, row.when.instant), reverse=True)


def digests(item: Item) -> set[str]:
    """What tells the contents of a document's attachments from others: equal where they are the same."""
    return {
        str(each.get("url") or hashlib.sha256(str(each.get("data")).encode()).hexdigest())
        for each in attachments_of(item.resource)
        if each.get("url") or each.get("data")
    }


def entry(item: Item) -> DocumentEntry:
    """One document as the list has it."""
    return DocumentEntry(**_common(item))


def _common(item: Item) -> dict[str, Any]:
    r = item.resource
    context = r.get("context") or {}
    kind = r.get("type") if item.type != "DiagnosticReport" else r.get("code")
    attachment = next(iter(attachments_of(r)), {})
    encounter = context.get("encounter") if isinstance(context, dict) else None
    return {
        **item.row(),
        "title": concept(kind)
        or str(r.get("title") or r.get("description") or attachment.get("title") or "Document"),
        "status": str(r.get("docStatus") or r.get("status") or ""),
        "when": _about(context)
        or first_when(r, "effectiveDateTime", "effectivePeriod", "date", "issued", "createdDateTime"),
        "code": code(kind),
        "author": next(
            (
                said
                for name in ("author", "resultsInterpreter", "performer", "operator")
                if (said := reference(r.get(name)))
            ),
            "",
        ),
        "service": concept(context.get("practiceSetting")) if isinstance(context, dict) else "",
        "encounter": next(iter(references(encounter or r.get("encounter"))), "").removeprefix("Encounter/"),
        "authored": first_when(r, "date", "issued"),
        "detail": detail(
            category=concepts(r.get("category")),
            description=str(r.get("description") or ""),
            conclusion=str(r.get("conclusion") or ""),
            custodian=reference(r.get("custodian")),
        ),
        "added_as": _added_as(r),
    }


_YEAR = timedelta(days=366)


def _about(context: Any) -> When:
    """When what a document speaks of was; of more than a year, as in the summary of a life, when that ends."""
    period = context.get("period") if isinstance(context, dict) else None
    if isinstance(period, dict):
        begins, ends = when(period.get("start")).instant, when(period.get("end")).instant
        if begins and ends and ends - begins > _YEAR:
            return when(period.get("end"))
    return first_when({"period": period}, "period")


def _added_as(r: dict[str, Any]) -> Kind | None:
    """As what a document was written after another; one that another system appends is an addendum."""
    correction = correction_of(r)
    if correction and correction[0] in ADDED:
        return correction[0]
    return Kind.ADDENDUM if added_to(r) else None


def document(
    item: Item,
    sizes: dict[str, tuple[str, int]],
    content_of: Callable[[int], bytes | None] | None = None,
    colleagues: Collection[str] = (),
) -> Document:
    """One document with its parts. ``sizes`` gives (media type, bytes) of attachments kept as files, by their
    ``Binary`` id; ``content_of`` the bytes of an attachment by its place, for a C-CDA document, which is read by
    its sections; ``colleagues`` the authors, by reference, who have an account here."""
    r = item.resource
    parts: list[Part] = []
    for place, attachment in enumerate(attachments_of(r)):
        if content_of is not None and is_clinical_document(attachment):
            parts += _sections_of(r, place, attachment, content_of(place))
        else:
            parts.append(_part(place, attachment, sizes))
    parts.extend(
        Part(PartKind.HTML, "text/html", title=str(section.get("title") or ""), text=sanitized(html))
        for section in _sections(r.get("section"))
        if (html := (section.get("text") or {}).get("div"))
    )
    narrative = (r.get("text") or {}).get("div")
    if not parts and narrative:
        parts.append(Part(PartKind.HTML, "text/html", text=sanitized(narrative)))
    return Document(
        **_common(item),
        parts=tuple(parts),
        relations=tuple(_relations(r)),
        stages=tuple(stages(r)),
        own_text=own_text(r),
        unsigned=is_unsigned(r),
        final=is_final(r),
        written_elsewhere=written_elsewhere(r, colleagues),
        wrote=partial(wrote, r),
        makers=makers(r),
    )


def is_clinical_document(attachment: dict[str, Any]) -> bool:
    """Whether an attachment says that it is a document in XML."""
    return str(attachment.get("contentType") or "").partition(";")[0].strip().lower() in cda.MEDIA_TYPES


def _sections_of(
    r: dict[str, Any], place: int, attachment: dict[str, Any], content: bytes | None
) -> Iterable[Part]:
    """The sections of a C-CDA document, and its XML as a file."""
    media_type = str(attachment.get("contentType"))
    title = str(attachment.get("title") or "")
    if content is not None and cda.is_cda_content(media_type, content):
        became = _became(r) if place == 0 else {}
        try:
            sections = cda.sections_as_html(content)
        except cda.CdaError:
            sections = []
        for section in sections:
            note = became.get(section.number, "")
            if section.html or note:
                yield Part(PartKind.HTML, "text/html", title=section.title, text=section.html, note=note)
        title = "The document in XML, as it came"
    yield Part(PartKind.FILE, media_type, title=title, file=place, size=len(content) if content else None)


def _became(r: dict[str, Any]) -> dict[int, str]:
    """What a reader must know of sections that were not read in full, by their number."""
    found = {}
    for extension in items(r.get("extension")):
        if not isinstance(extension, dict) or extension.get("url") != cda.SECTION:
            continue
        parts = [each for each in items(extension.get("extension")) if isinstance(each, dict)]
        said = {str(each.get("url")): each for each in parts}
        number = said.get("number", {}).get("valuePositiveInt")
        outcome = str(said.get("outcome", {}).get("valueCode") or "")
        reasons = " ".join(str(each.get("valueString") or "") for each in parts if each.get("url") == "reason")
        if isinstance(number, int) and reasons and outcome in _NOT_IN_FULL:
            found[number] = f"{_NOT_IN_FULL[outcome]} {reasons}"
    return found


_NOT_IN_FULL = {
    "partly": "Not everything of this section could be filed as data; its text is all here.",
    "text": "Nothing of this section could be filed as data; its text is all here.",
}


def text_of(stored: Stored) -> str:
    """What a version of a document says as plain text, to be laid beside another; files are named."""
    said = []
    for part in document(item_of(stored), {}).parts:
        if part.kind is PartKind.TEXT:
            said.append(part.text)
        elif part.kind is PartKind.HTML:
            said.append(unescape(nh3.clean(part.text, tags=set())))
        else:
            said.append(f"[{part.title or part.media_type}]")
    return "\n\n".join(said)


def _sections(value: Any) -> Iterable[dict[str, Any]]:
    for each in items(value):
        if isinstance(each, dict):
            yield each
            yield from _sections(each.get("section"))


def _relations(r: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    for each in items(r.get("relatesTo")):
        if isinstance(each, dict):
            for target in references(each.get("target") or each.get("targetReference")):
                kind, _, number = target.partition("/")
                yield (_RELATIONS.get(str(each.get("code")), str(each.get("code") or "")), kind, number)


def _part(place: int, attachment: dict[str, Any], sizes: dict[str, tuple[str, int]]) -> Part:
    media_type = str(attachment.get("contentType") or "application/octet-stream")
    plain = media_type.partition(";")[0].strip().lower()
    title = str(attachment.get("title") or "")
    language = str(attachment.get("language") or "")
    pointed = str(attachment.get("url") or "").removeprefix("Binary/")
    data = attachment.get("data")
    if data is None and not pointed:
        return Part(PartKind.FILE, media_type, title=title, language=language)
    if data is None:
        size = sizes.get(pointed, (media_type, attachment.get("size") or 0))[1]
        return Part(_kind(plain), media_type, title=title, file=place, size=size, language=language)
    content = decoded(data)
    if content is None:
        return Part(PartKind.TEXT, "text/plain", title=title, text="The attachment's data cannot be decoded.")
    if plain in {"text/html", "application/xhtml+xml"}:
        return Part(
            PartKind.HTML, media_type, title=title, text=sanitized(readable(content, media_type)), language=language
        )
    if plain.startswith("text/") or plain in {"application/json", "application/xml"}:
        return Part(PartKind.TEXT, media_type, title=title, text=readable(content, media_type), language=language)
    return Part(_kind(plain), media_type, title=title, file=place, size=len(content), language=language)


def _kind(media_type: str) -> PartKind:
    if media_type == "application/pdf":
        return PartKind.PDF
    if media_type in {"image/png", "image/jpeg", "image/gif", "image/webp"}:
        return PartKind.IMAGE
    return PartKind.FILE


def readable(content: bytes, media_type: str) -> str:
    """Bytes of a text attachment as text: the declared charset, else UTF-8, else Latin-1."""
    _, _, declared = media_type.lower().partition("charset=")
    for charset in (declared.strip('" '), "utf-8"):
        if charset:
            try:
                return content.decode(charset)
            except (LookupError, UnicodeDecodeError):
                continue
    return content.decode("latin-1")
