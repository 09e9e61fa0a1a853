"""Template filters of the screens; what they print is decided in :mod:`charthouse.web.printing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from html import escape
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from charthouse.completion.api import ChartLine, ChartState, DeficiencyLine, NumberLine
from charthouse.configuration import configuration
from charthouse.foundation import clock
from charthouse.foundation.access.api import Label, Role
from charthouse.foundation.differences import Cells
from charthouse.foundation.work.api import ItemState, WorkItem
from charthouse.record.api import Snippet, TextHit, TextSection
from charthouse.record.chart import Interpretation, Mark, Row, When
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


register.filter("local_day", printing.local_day)
register.filter("words", printing.words)
register.filter("sex", printing.sex)
register.filter("size", printing.size)


@register.filter
def pairs(detail: Mapping[str, object]) -> Iterable[tuple[str, object]]:
    """Names with values. In a template, ``detail.items`` is the value called "items" where there is one."""
    return detail.items()


@register.filter
def said(value: object) -> object:
    """Several values with commas between, a single one as it is."""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value if isinstance(value, list | tuple) else sorted(value)))
    return value


# What stands in the rows of long lists is drawn here rather than by components: a row costs some microseconds so,
# and half a millisecond by components.


def _badge(tone: str, words: str, sign: str = "") -> SafeString:
    """The same as <c-badge>."""
    if sign:
        return format_html('<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>', tone, sign, words)
    return format_html('<span class="badge {}">{}</span>', tone, words)


_MARKS = {
    Mark.NONE: SafeString(""),
    Mark.DRAFT: _badge("violet", printing.mark(Mark.DRAFT)),
    Mark.UNSIGNED: _badge("amber", printing.mark(Mark.UNSIGNED)),
    Mark.CORRECTED: _badge("blue", printing.mark(Mark.CORRECTED)),
    Mark.RETRACTED: _badge("red", printing.mark(Mark.RETRACTED), "!"),
}


@register.filter
def mark(value: Mark) -> SafeString:
    """Draft, unsigned, corrected, retracted: the one mark, the same wherever an item is shown."""
    return _MARKS[value]


register.filter("signed", printing.signature)
register.filter("corrected", printing.correction)


@register.filter
def flag(value: Interpretation) -> SafeString:
    """What a result means, by sign and word: red only where it is critical."""
    if value.critical:
        return _badge("red", value.words.capitalize(), "!")
    if value.abnormal:
        return _badge("amber", value.words.capitalize(), printing.interpretation_sign(value))
    return format_html('<span class="soft">{}</span>', value.words.capitalize()) if value.words else SafeString("")


_TONES = {"active": "blue", "booked": "blue", "not-done": "amber", "cancelled": "amber", "noshow": "amber"}
_STATES = {"not-done": "Not given", "noshow": "No show", "": "Unknown"}


@register.filter
def state(code: str) -> SafeString:
    """A status code as a badge."""
    return _badge(_TONES.get(code, ""), _STATES.get(code) or printing.words(code).capitalize())


@lru_cache(maxsize=256)
def _chart(person: UUID) -> str:
    return reverse("chart", args=(person,))


def _address(context: Context, part: str, row: Row) -> str:
    """The same as the chart's addresses in urls.py, of which a page needs hundreds."""
    return f"{_chart(context['person'])}{part}/{quote(row.type)}/{quote(row.id)}"


@register.simple_tag(takes_context=True)
def item_url(context: Context, row: Row) -> str:
    """The address of a single item of the chart at hand."""
    return _address(context, "item", row)


@register.simple_tag(takes_context=True)
def document_url(context: Context, row: Row) -> str:
    """The address of a document beside its list."""
    return _address(context, "documents", row)


@register.simple_tag
def hit_url(hit: TextHit, person: UUID) -> str:
    """Where something found by its words is read: a document beside its list, anything else as an item."""
    part = "documents" if hit.section is TextSection.DOCUMENTS or hit.type == "DiagnosticReport" else "item"
    return f"{_chart(person)}{part}/{quote(hit.type)}/{quote(hit.id)}"


@register.simple_tag
def lack_url(lack: DeficiencyLine, sees_charts: bool) -> str:
    """Where what is lacking is decided: at the desk, or for who owes it on their own page."""
    where = reverse("incomplete-chart", args=(lack.chart,)) if sees_charts else reverse("owed")
    return f"{where}#d-{lack.id}"


@register.simple_tag
def typed_number(typed: Mapping[str, str] | None, kinds: Sequence[str], number: NumberLine) -> str:
    """What a field of a rule's number shows: what was typed at these facilities, else the number that holds."""
    if typed and set(kinds) & set(typed.get("kinds", "").split(",")):
        return str(typed.get(f"number-{number.name}", number.typed))
    return number.typed


@register.simple_tag
def fault_of(faults: Mapping[str, str], name: str) -> str:
    """What is wrong with a field of this name; empty for nothing."""
    return faults.get(name, "")


@register.simple_tag
def number_cells(numbers: Iterable[str]) -> SafeString:
    """A row's cells of numbers: in tables of hundreds of rows the engine's own loop takes most of the time."""
    return SafeString("".join(f'<td class="number">{escape(each)}</td>' for each in numbers))


@register.simple_tag
def side(cells: Cells | None, element: str) -> SafeString:
    """One side of a comparison, its cells apart, with what the other side does not have in ``del`` or ``ins``."""
    if cells is None:
        return SafeString('<span class="unseen">nothing</span>')
    written = [
        format_html_join(
            "",
            "{}",
            ((format_html("<{0}>{1}</{0}>", element, run.text) if run.differs else run.text,) for run in cell),
        )
        for cell in cells
    ]
    return (
        written[0] if len(written) == 1 else format_html_join("", "<span>{}</span> ", ((each,) for each in written))
    )


@register.filter
def snippet(value: Snippet) -> SafeString:
    """A part of a text with what was found marked; everything in it is escaped."""
    pieces = format_html_join(
        "",
        "{}",
        ((format_html("<mark>{}</mark>", each.text) if each.found else each.text,) for each in value.pieces),
    )
    return format_html("{}{}{}", "… " if value.cut_before else "", pieces, " …" if value.cut_after else "")


@register.simple_tag(takes_context=True)
def where(context: Context, row: Row) -> SafeString | str:
    """The link to where an item came from: a dialog, or a page of its own. Empty for who may not see it."""
    if not context.get("may_read_original"):
        return ""
    return format_html(
        '<a class="where" href="{0}" hx-get="{0}" hx-target="#where-body" data-key="w" '
        'data-key-label="where did this come from">Source<span class="unseen"> of {1}</span></a>',
        _address(context, "from", row),
        row.title,
    )


_ROLES = {role.value: role.title for role in Role}


@register.filter
def roles(codes: Sequence[str]) -> SafeString | str:
    """The first of an asker's roles in words, and how many more; all of them in its title."""
    titles = [_ROLES.get(code, code) for code in codes]
    if len(titles) < 2:
        return titles[0] if titles else ""
    return format_html('<span title="{}">{} and {} more</span>', ", ".join(titles), titles[0], len(titles) - 1)


@register.simple_tag
def due(item: WorkItem, now: datetime) -> SafeString:
    """When an item is due, as a badge: red only where it is past due, and never for one that is held or done."""
    if item.due is None:
        return SafeString('<span class="faint">no date</span>')
    zone = ZoneInfo(configuration().time_zone)
    words, tone = printing.due(item.due, now, zone)
    running = item.state in {ItemState.OPEN, ItemState.TAKEN}
    badge = _badge(tone if running else "", words, "!" if running and tone == "red" else "")
    return format_html('<span title="{}">{}</span>', printing.local_time(item.due, zone), badge)


@register.simple_tag
def chart_state(line: ChartLine, now: datetime) -> SafeString:
    """The state of a chart under completion as a badge: red only where it is delinquent, with since or from
    when."""
    zone = ZoneInfo(configuration().time_zone)
    if line.state is ChartState.DELINQUENT:
        return _badge("red", f"Delinquent since {_local_day(line.due, zone)}", "!")
    if line.state is ChartState.INCOMPLETE:
        words = f"Incomplete, delinquent from {_local_day(line.due, zone)}" if line.due else "Incomplete"
        return _badge("amber" if line.due and line.due - now < _SOON else "", words)
    return _badge("green", "Complete", "✓") if line.state is ChartState.COMPLETE else _badge("", line.state.words)


_SOON = timedelta(days=7)


def _local_day(instant: datetime | None, zone: ZoneInfo) -> str:
    return printing.local_time(instant, zone).rpartition(" ")[0] if instant else ""


@register.filter
def last_day(instant: datetime | None) -> str:
    """The last whole day before an instant that ends one, as a date field takes it; empty where there is none."""
    if instant is None:
        return ""
    zone = ZoneInfo(configuration().time_zone)
    return (instant.astimezone(zone) - timedelta(microseconds=1)).date().isoformat()


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
