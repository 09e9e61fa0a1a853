"""Search for words: in one chart, and across charts.

Found is what stands, is current and may be seen by the asker: the labels of the text's row, of the item as it is
now and of its patient all count, for the hits and for their number. Hits come newest first, at most 1,001, from the
index of words; see :mod:`charthouse.record.domain.time_buckets` for how a common word stays fast. The words asked
for are never logged; the caller writes the ledger, with a fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from charthouse.configuration import configuration
from charthouse.foundation.access.api import AccessContext, require

from .actions.index_texts import SERVICE, WORD
from .chart import Mark
from .charting.elements import mark_of
from .charting.item import item_of
from .domain import time_buckets
from .domain.packing import decompress
from .domain.text_rows import TextSection
from .domain.types import TYPE_ID, TYPE_NAME
from .domain.words import NOTHING, Asked, Snippet, Term, asked, snippets
from .permissions import SEARCH_RECORD
from .queries import current

#: Hits are counted exactly to this number.
COUNTED = 1_000
PAGE = 25
#: Words that a beginning may stand for.
MOST_ENDINGS = 50
#: About how many texts a search across charts looks through first, and by how much more it may go on.
_FIRST_SPAN, _GROWTH = 3_000, 8
#: Milliseconds after which a search is given up.
_PATIENCE = 10_000
_PATIENT = TYPE_ID["Patient"]


class TooWide(Exception):
    """A search that cannot be answered as it was asked; the words say what to do."""


class TooLong(TooWide):
    """A search took too long and was given up."""

    def __init__(self) -> None:
        super().__init__("This search takes too long. Add a word, or say from when to when.")


class TooManyEndings(TooWide):
    """So many words begin so that the search would say nothing."""

    def __init__(self, beginning: str) -> None:
        super().__init__(f"More than {MOST_ENDINGS} words begin with “{beginning}”. Type more of it.")


@dataclass(frozen=True, slots=True)
class TextFilter:
    """Which items are searched; empty fields do not filter. Dates are those an item is of, both included, in
    the site's time zone."""

    sections: frozenset[TextSection] = frozenset()
    service: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHit:
    """An item in which all words were found. ``patient`` is its source patient; ``at`` None where it has no date;
    ``shown`` are parts of its text, each with whether a machine read it."""

    type: str
    id: str
    patient: int
    section: TextSection
    title: str
    service: str
    at: datetime | None
    mark: Mark
    shown: tuple[tuple[Snippet, bool], ...]


@dataclass(frozen=True, slots=True)
class TextFound:
    """A page of hits. ``count`` is exact up to :data:`COUNTED`; above it is that number and one."""

    asked: Asked = NOTHING
    count: int = 0
    page: int = 1
    hits: tuple[TextHit, ...] = ()

    @property
    def more_than_counted(self) -> bool:
        return self.count > COUNTED

    @property
    def pages(self) -> int:
        return -(-min(self.count, COUNTED) // PAGE)


@dataclass(frozen=True, slots=True)
class TextLag:
    """What is filed and not indexed yet: how many items (counted to 1,001) and since when."""

    waiting: int
    since: datetime | None


def search_chart(
    ctx: AccessContext, patients: Sequence[int], text: str, within: TextFilter | None = None, page: int = 1
) -> TextFound:
    """Items of one chart in which all words stand, newest first."""
    wanted = asked(text)
    if not wanted or not patients:
        return TextFound()
    return _page(ctx, wanted, _in_chart(ctx, patients, wanted, within or TextFilter()), page)


def search_all(ctx: AccessContext, text: str, within: TextFilter | None = None, page: int = 1) -> TextFound:
    """Items of all charts in which all words stand, newest first. Raises PermissionRefused, TooWide."""
    require(ctx, SEARCH_RECORD)
    wanted = asked(text)
    if not wanted:
        return TextFound()
    try:
        keys = _across(ctx, wanted, within or TextFilter())
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooLong from error
        raise
    return _page(ctx, wanted, keys, page)


def text_lag() -> TextLag:
    """How far the words lag behind what is filed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(filed_at) FROM (SELECT filed_at FROM record_text_due LIMIT %s) AS due",
            [COUNTED + 1],
        )
        return TextLag(*cursor.fetchone())


def text_services() -> list[str]:
    """The services that documents name, at most a few hundred."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT term FROM record_text_term WHERE kind = %s ORDER BY term LIMIT 300", [SERVICE])
        return [term for (term,) in cursor.fetchall()]


class _Key(NamedTuple):
    """A hit before it is read."""

    type: int
    resource: int


# What a text says counts only while it is of the version that stands, of the same patient, and both may be seen. A
# scalar subquery is always answered by the index, where EXISTS may become a join over the whole table.
_STANDS = f"""
   AND (SELECT true FROM record_resource r WHERE r.type = h.type AND r.id = h.resource AND r.version = h.version
           AND r.state = 0 AND r.patient = h.patient AND r.labels & %s = 0)
   AND (SELECT true FROM record_resource p WHERE p.type = {_PATIENT} AND p.id = h.patient AND p.state = 0
           AND p.labels & %s = 0)
"""  # noqa: S608
_ROWS = "SELECT type, resource, version, patient, at FROM record_text"


def _in_chart(ctx: AccessContext, patients: Sequence[int], wanted: Asked, within: TextFilter) -> list[_Key]:
    hidden = ~int(ctx.clearance)
    conditions, values = _conditions(within)
    query = (
        f"SELECT h.type, h.resource FROM (SELECT * FROM record_text WHERE patient = ANY(%s) OFFSET 0) AS h "  # noqa: S608
        f"WHERE h.words @@ %s::tsquery AND h.labels & %s = 0{conditions}{_STANDS}"
        "ORDER BY h.at DESC, h.resource DESC LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            query, [list(patients), _query(wanted.terms, [""], {}), hidden, *values, hidden, hidden, COUNTED + 1]
        )
        return list(map(_Key._make, cursor.fetchall()))


def _across(ctx: AccessContext, wanted: Asked, within: TextFilter) -> list[_Key]:
    """From the newest span of time to older ones, until enough is found."""
    hidden = ~int(ctx.clearance)
    conditions, values = _conditions(within)
    query = (
        "SELECT h.type, h.resource FROM (SELECT t.* FROM unnest(%s::text[]) AS part (words) CROSS JOIN LATERAL "  # noqa: S608
        f"({_ROWS} WHERE words @@ part.words::tsquery AND labels & %s = 0{conditions}OFFSET 0) AS t "
        f"ORDER BY at DESC, resource DESC OFFSET 0) AS h WHERE true{_STANDS}LIMIT %s"
    )
    low, high = _buckets(within)
    # Where a word is not wanted, nearly all that the others bring may fall away; a whole key of one bucket is gone
    # through several times as fast as a beginning of keys, while few words alone are found faster all at once.
    part = _FIRST_SPAN if any(term.without for term in wanted.terms) else 0
    found: list[_Key] = []
    with transaction.atomic(), connection.cursor() as cursor:
        # The planner knows little of how often words stand together; the index of words is always the way.
        cursor.execute(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), "
            "set_config('statement_timeout', %s, true)",
            [str(_PATIENCE)],
        )
        endings = _endings(cursor, wanted)
        if endings is None:
            return []
        cursor.execute(
            "SELECT bucket, texts FROM record_text_bucket WHERE bucket BETWEEN %s AND %s ORDER BY bucket DESC",
            [low, high],
        )
        texts = cursor.fetchall()
        at, end, looked_at, ahead = 0, high, 0, float(_FIRST_SPAN)
        while at < len(texts) and len(found) <= COUNTED:
            _, after, count = time_buckets.span(texts, at, ahead)
            needed = COUNTED + 1 - len(found)
            parts = []
            while at < after:
                begin, at, _ = time_buckets.span(texts[:after], at, part or count)
                parts.append(_query(wanted.terms, time_buckets.prefixes(begin, end), endings))
                end = begin - 1
            cursor.execute(query, [parts, hidden, *values, hidden, hidden, needed])
            found += map(_Key._make, cursor.fetchall())
            looked_at += count
            # As many as are needed where words are as frequent as they were so far; words come and go, so never far
            # more than before.
            likely = 1.25 * (COUNTED + 1 - len(found)) * looked_at / len(found) if found else float("inf")
            ahead = min(max(likely, _FIRST_SPAN), _GROWTH * max(count, _FIRST_SPAN))
    return found


def _conditions(within: TextFilter) -> tuple[str, list[Any]]:
    text = ""
    values: list[Any] = []
    if within.sections:
        text += " AND section = ANY(%s)"
        values.append(sorted(int(each) for each in within.sections))
    if within.service:
        text += " AND service = %s"
        values.append(within.service)
    if within.since:
        text += " AND at >= %s"
        values.append(_midnight(within.since))
    if within.until:
        text += " AND at < %s"
        values.append(_midnight(within.until + timedelta(days=1)))
    return text + " ", values


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(configuration().time_zone))


def _buckets(within: TextFilter) -> tuple[int, int]:
    """The buckets in which the wanted dates lie."""
    low = time_buckets.bucket_of(_midnight(within.since)) if within.since else 0
    high = (
        time_buckets.bucket_of(_midnight(within.until + timedelta(days=1))) if within.until else time_buckets.LAST
    )
    return low, max(low, high)


def _endings(cursor: Any, wanted: Asked) -> dict[str, list[str]] | None:
    """The words that beginnings stand for; None where one that is wanted stands for none."""
    found: dict[str, list[str]] = {}
    for term in wanted.terms:
        if not term.begins:
            continue
        beginning = term.roots[-1]
        cursor.execute(
            "SELECT term FROM record_text_term WHERE kind = %s AND term >= %s AND term < %s LIMIT %s",
            [WORD, beginning, beginning + "\U0010ffff", MOST_ENDINGS + 1],
        )
        found[beginning] = [each for (each,) in cursor.fetchall()]
        if len(found[beginning]) > MOST_ENDINGS:
            raise TooManyEndings(beginning)
        if not found[beginning] and not term.without:
            return None
    return found


def tsquery_of(words: str) -> str:
    """Words as somebody asks for them, as a tsquery over the index of words whatever their time; empty where there
    is none to look for."""
    return _query(asked(words).terms, [""], {})


def _query(terms: Iterable[Term], spans: Sequence[str], endings: dict[str, list[str]]) -> str:
    """A tsquery in PostgreSQL's own writing. ``spans`` are beginnings of the words' endings; with the empty one,
    any ending will do, and beginnings of words need not be looked up."""
    written = []
    for term in terms:
        steps = []
        for at, root in enumerate(term.roots):
            begins = term.begins and at == len(term.roots) - 1
            if begins and spans == [""]:
                keys = [root]
            else:
                meant = endings.get(root, []) if begins else [root]
                keys = [each + (span or "/") for each in meant for span in spans]
            if keys:
                steps.append("(" + " | ".join(map(_lexeme, keys)) + ")")
        if len(steps) == len(term.roots):
            written.append(("!" if term.without else "") + "(" + " <-> ".join(steps) + ")")
    return " & ".join(written)


def _lexeme(key: str) -> str:
    """A whole ending is looked up as it is; any other is a beginning of keys."""
    whole = len(key) - key.rfind("/") - 1 == time_buckets.DIGITS and "/" in key
    return f"'{key}'" if whole else f"'{key}':*"


def _page(ctx: AccessContext, wanted: Asked, keys: Sequence[_Key], page: int) -> TextFound:
    shown = min(len(keys), COUNTED)
    page = min(max(page, 1), max(1, -(-shown // PAGE)))
    chosen = keys[(page - 1) * PAGE : min(page * PAGE, shown)]
    return TextFound(wanted, len(keys), page, tuple(_hits(ctx, wanted, chosen)))


def _hits(ctx: AccessContext, wanted: Asked, keys: Sequence[_Key]) -> list[TextHit]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.type, t.resource, r.public_id, t.patient, t.section, t.title, t.service, "
            "CASE WHEN isfinite(t.at) THEN t.at END, t.machine_from, t.body "
            "FROM unnest(%s::smallint[], %s::bigint[]) AS k (type, resource) "
            "JOIN record_text t ON t.type = k.type AND t.resource = k.resource "
            "JOIN record_resource r ON r.type = k.type AND r.id = k.resource",
            [[key.type for key in keys], [key.resource for key in keys]],
        )
        rows = {_Key(record[0], record[1]): record[2:] for record in cursor.fetchall()}
        stored = current(cursor, ctx, [(TYPE_NAME[key.type], rows[key][0]) for key in keys if key in rows])
    hits = []
    for key in keys:
        if key not in rows:
            continue
        public_id, patient, section, title, service, at, machine_from, body = rows[key]
        kind = TYPE_NAME[key.type]
        if (now := stored.get((kind, public_id))) is None:
            continue
        hits.append(
            TextHit(
                type=kind,
                id=public_id,
                patient=patient,
                section=TextSection(section),
                title=title,
                service=service,
                at=at,
                mark=mark_of(item_of(now).resource),
                shown=tuple(_shown(decompress(body).decode(), machine_from, wanted)),
            )
        )
    return hits


def _shown(text: str, machine_from: int | None, wanted: Asked) -> list[tuple[Snippet, bool]]:
    """Parts of a text around what was found; none goes from what somebody wrote into what a machine read."""
    cut = len(text) if machine_from is None else machine_from
    written = [(each, False) for each in snippets(text[:cut], wanted.wanted)]
    return written + [(each, True) for each in snippets(text[cut:], wanted.wanted, most=1)]
