"""Template filters of the screens; what they print is decided in :mod:`charthouse.web.printing`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import Label, Role
from charthouse.record.chart import Interpretation, When
from charthouse.web import printing

register = template.Library()

NOT_RECORDED = SafeString('<span class="faint">not recorded</span>')


def _text(value: When | str | None) -> str:
    return value.text if isinstance(value, When) else value or ""


@register.filter
def when(value: When | str | None) -> SafeString:
    """A moment of the record with its time, as a ``time`` element; what was sent stands in its title."""
    text = _text(value)
    if not text:
        return NOT_RECORDED
    return format_html('<time datetime="{}" title="{}">{}</time>', text, text, printing.fhir_date(text))


@register.filter
def day(value: When | str | None) -> SafeString:
    """A moment of the record without its time of day."""
    text = _text(value)
    if not text:
        return NOT_RECORDED
    return format_html('<time datetime="{}" title="{}">{}</time>', text, text, printing.fhir_date(text, time=False))


@register.filter
def clock_time(value: When | None) -> str:
    """Only the time of day of a moment, as sent; empty where it has none."""
    text = _text(value)
    return text[11:16] if len(text) >= 16 else ""


@register.filter
def instant(value: datetime | None) -> SafeString | str:
    """An instant of the department's own (received, filed, logged), in the site's time zone."""
    if value is None:
        return NOT_RECORDED
    shown = printing.local_time(value, ZoneInfo(configuration().time_zone))
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), value.isoformat(), shown)


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago an instant was."""
    return printing.ago(value, clock.wall()) if value else "never"


@register.filter
def recorded(value: object) -> object:
    """The value, or the words for its absence."""
    return value if value not in (None, "", ()) else NOT_RECORDED


@register.filter
def labels(value: Label | int) -> list[str]:
    """The words of a label bitmask."""
    return printing.labels(value)


@register.filter
def marked(line: str, spans: tuple[tuple[int, int], ...]) -> SafeString:
    """A line of an original with its spans marked; everything in it is escaped."""
    out = SafeString("")
    at = 0
    for start, end in spans:
        out += format_html("{}<mark>{}</mark>", line[at:start], line[start:end])
        at = end
    return SafeString(out + format_html("{}", line[at:]))


register.filter("words", printing.words)
register.filter("sex", printing.sex)
register.filter("size", printing.size)


@register.filter
def said(value: object) -> object:
    """Several values with commas between, a single one as it is."""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value if isinstance(value, list | tuple) else sorted(value)))
    return value


_ROLES = {role.value: role.title for role in Role}


@register.filter
def roles(codes: Sequence[str]) -> SafeString | str:
    """The first of an asker's roles in words, and how many more; all of them in its title."""
    titles = [_ROLES.get(code, code) for code in codes]
    if len(titles) < 2:
        return titles[0] if titles else ""
    return format_html('<span title="{}">{} and {} more</span>', ", ".join(titles), titles[0], len(titles) - 1)


@register.filter
def pages(count: int | None) -> range:
    """The page numbers of a document of ``count`` pages."""
    return range(1, (count or 0) + 1)


@register.filter
def unlocalized(value: float) -> str:
    """A coordinate of a drawing, with a point whatever the language."""
    return f"{value:g}"


@register.filter
def sign(value: Interpretation) -> str:
    """The sign beside an abnormal value in a narrow cell."""
    return printing.interpretation_sign(value)
