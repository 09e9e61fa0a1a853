"""From a :class:`~charthouse.record.searching.terms.Search` to one SQL statement.

Every term that one kind of index row answers is a join of the resource with its rows on the whole key of their
index, ``(param, code, at, resource)``: the value, and the resource's own main date and row. So PostgreSQL may begin
with whichever term its statistics call the rarest and test the others by one step into their index, or walk one of
them in the order of the page and stop when the page is full. Terms with several ways to be answered become branches
of a union, each with its own limit.

Every resource on the way, also one that a chain passes, must stand and be open to the reader.
"""
# ruff: noqa: S608 (no value stands in the text of a statement, see sql.py)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from charthouse.exchange.fhir.api import Answer, is_single, main_date_parameter
from charthouse.foundation.access.api import AccessContext
from charthouse.record import schema
from charthouse.record.domain.index_rows import target_sql, token_hash
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import STORED

from .ordering import Place, behind, directed, ordered_key, told
from .predicates import TABLE, of
from .sql import NEVER, Sql, all_of, any_of, join, moment, put, sql
from .terms import (
    Chain,
    CompositeValue,
    Criterion,
    DateValue,
    Has,
    Missing,
    Modifier,
    OneOf,
    Prefix,
    ReferenceValue,
    Search,
    SortBy,
    SortKey,
    Term,
    TokenValue,
    Value,
)
from .values import is_id

#: Branches of a union; a term with more values is answered by one join, and its matches are sorted.
_MOST_BRANCHES = 8
_DELETED, _ACTIVE = 1, 0


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a term can hold: tables to join, and conditions. ``start`` is the alias of date rows."""

    joins: tuple[Sql, ...] = ()
    where: tuple[Sql, ...] = ()
    start: str | None = None

    def __add__(self, other: _Way) -> _Way:
        return _Way(self.joins + other.joins, self.where + other.where, self.start or other.start)


class Compiler:
    """Compiles searches for one reader. ``errors`` says whether what was entered in error is found, too, as FHIR
    wants (it is a status); a chart leaves it out."""

    def __init__(self, ctx: AccessContext, *, errors: bool = True) -> None:
        self._mask = ~int(ctx.clearance)
        self._state = f"<> {_DELETED}" if errors else f"= {_ACTIVE}"
        self._names = count(1)

    # The whole ---------------------------------------------------------------------------------------------------

    def page(
        self,
        search: Search,
        order: Sequence[SortKey],
        limit: int,
        *,
        patients: Sequence[int] | None = None,
        after: Place | None = None,
    ) -> Sql:
        """The statement of one page: the columns of :data:`charthouse.record.queries.STORED`, then for each key of
        the order what the cursor needs of it."""
        branches = []
        for way in self._branches(search, order, patients):
            keys = [ordered_key(key, search.type, "r", self._name(), way.start) for key in order]
            tables = join(" ", [*way.joins, *(key.joined for key in keys if key.joined)])
            columns = [column for key in keys for column in key.columns()]
            sorting = directed(order, [str(column) for column in columns], "r.id")
            distinct = (
                f"DISTINCT ON ({', '.join(map(str, columns))}{', ' if columns else ''}r.id) " if way.joins else ""
            )
            chosen = ", ".join(["r.id", *(f"{column} AS k{number}" for number, column in enumerate(columns))])
            conditions = behind(keys, search.type, "r", after) if after else [sql("true")]
            branches += [
                put(
                    f"(SELECT {distinct}{chosen} FROM {schema.RESOURCE} r {{}} WHERE {{}} "
                    f"ORDER BY {sorting} LIMIT {limit})",
                    tables,
                    all_of([*way.where, condition]),
                )
                for condition in conditions
            ]
        number_of_keys = sum(2 if key.by is SortBy.PARAMETER else 1 for key in order)
        names = [f"k{number}" for number in range(number_of_keys)]
        inner = branches[0]
        if len(branches) > 1:
            inner = put(
                f"(SELECT DISTINCT ON ({', '.join([*names, 'id'])}) * FROM ({{}}) b "
                f"ORDER BY {directed(order, names, 'id')} LIMIT {limit})",
                join(" UNION ALL ", branches),
            )
        given, at = "", 0
        for key in order:
            at += key.by is SortBy.PARAMETER
            given += f", {told(key, f'page.k{at}')}"
            at += 1
        number = TYPE_ID[search.type]
        return put(
            f"SELECT {STORED}{given} FROM {{}} page JOIN {schema.RESOURCE} r ON r.id = page.id "
            f"JOIN {schema.VERSION} v ON v.resource = r.id AND v.version = r.version "
            f"WHERE r.type = {number} AND v.type = {number} "
            f"ORDER BY {directed(order, [f'page.{name}' for name in names], 'page.id')}",
            inner,
        )

    def total(self, search: Search, *, patients: Sequence[int] | None = None, most: int | None = None) -> Sql:
        """The statement that counts the matches, up to ``most`` where given."""
        limit = f" LIMIT {most}" if most is not None else ""
        selects = [
            put(
                f"SELECT {'DISTINCT ' if way.joins else ''}r.id FROM {schema.RESOURCE} r {{}} WHERE {{}}",
                join(" ", way.joins),
                all_of(way.where),
            )
            for way in self._branches(search, (), patients)
        ]
        return put(f"SELECT count(*) FROM (SELECT id FROM ({{}}) u{limit}) c", join(" UNION ", selects))

    def _branches(self, search: Search, order: Sequence[SortKey], patients: Sequence[int] | None) -> Iterator[_Way]:
        """The ways in which all terms hold. One term may be spread into branches, the others are joined."""
        base = [*self._seen("r", search.type)]
        if patients is not None:
            base.append(sql("r.patient = ANY(%s)", list(patients)))
        spread = self._to_spread(search, order, patients)
        rest = self._all([term for term in search.terms if term is not spread], search.type, "r")
        for way in self._ways(spread, search.type, "r", spread=True) if spread else [_Way()]:
            yield _Way(where=tuple(base)) + way + rest

    def _to_spread(self, search: Search, order: Sequence[SortKey], patients: Sequence[int] | None) -> Term | None:
        """The term that becomes branches: one that can hold in several ways; else one with several values of which
        each is read in the order of main dates, where nothing else is."""
        for term in search.terms:
            if len(self._ways(term, search.type, "r")) > 1:
                return term
        if patients is not None or [key.by for key in order] != [SortBy.MAIN]:
            return None
        ordered = {
            term: len(self._ways(term, search.type, "r", spread=True))
            for term in search.terms
            if isinstance(term, Criterion) and is_ordered(term)
        }
        return None if 1 in ordered.values() else next(iter(ordered), None)

    def _name(self) -> str:
        return f"x{next(self._names)}"

    def _seen(self, r: str, kind: str) -> list[Sql]:
        """What every resource must fulfil to be found or to lead to one."""
        return [
            sql(f"{r}.type = {TYPE_ID[kind]}"),
            sql(f"{r}.labels & {self._mask} = 0"),
            sql(f"{r}.state {self._state}"),
        ]

    # Terms -------------------------------------------------------------------------------------------------------

    def _all(self, terms: Sequence[Term], kind: str, r: str) -> _Way:
        """All terms hold for ``r``. Those that ask one and the same value share its row."""
        whole = _Way()
        together: dict[str, list[Criterion]] = {}
        for term in terms:
            if isinstance(term, Criterion) and _is_one_row(term, kind):
                together.setdefault(term.parameter.code, []).append(term)
                continue
            ways = self._ways(term, kind, r)
            whole += ways[0] if len(ways) == 1 else _Way(where=(put(f"{r}.id IN ({{}})", self._union(term, kind)),))
        for criteria in together.values():
            whole += self._rows_of(criteria, kind, r)
        return whole

    def _union(self, term: Term, kind: str) -> Sql:
        """The rows of resources for which a term holds in any of its ways."""
        selects = []
        t = self._name()
        for way in self._ways(term, kind, t):
            conditions = all_of([*self._seen(t, kind), *way.where])
            selects.append(
                put(f"SELECT {t}.id FROM {schema.RESOURCE} {t} {{}} WHERE {{}}", join(" ", way.joins), conditions)
            )
        return join(" UNION ALL ", selects)

    def _inner(self, chosen: str, kind: str, t: str, term: Term, *joins: Sql) -> Sql:
        """``chosen`` of the resources ``t`` of a type for which ``term`` holds."""
        way = self._all([term], kind, t)
        return put(
            f"SELECT {chosen} FROM {schema.RESOURCE} {t} {{}} WHERE {{}}",
            join(" ", [*joins, *way.joins]),
            all_of([*self._seen(t, kind), *way.where]),
        )

    def _ways(self, term: Term, kind: str, r: str, *, spread: bool = False) -> list[_Way]:
        """Every way in which ``term`` can hold for ``r``; with ``spread`` each value is one of its own."""
        return self._any_ways(term, kind, r, spread) or [_Way(where=(NEVER,))]

    def _any_ways(self, term: Term, kind: str, r: str, spread: bool) -> list[_Way]:
        match term:
            case OneOf():
                return [_Way(where=(sql(f"{r}.id = ANY(%s)", list(term.rows)),))]
            case Missing():
                return [_Way(where=(self._missing(term, kind, r),))]
            case Chain():
                return [way for target, inner in term.targets for way in self._chain(term, target, inner, kind, r)]
            case Has():
                return self._has(term, kind, r)
            case _:
                return self._criterion(term, kind, r, spread)

    def _criterion(self, term: Criterion, kind: str, r: str, spread: bool) -> list[_Way]:
        if term.parameter.kind == "composite":
            return [self._composite(term, value, kind, r) for value in term.values]
        columns = [
            found
            for answer in term.parameter.answers
            if answer.column and (found := _column(answer, term, r)) is not None
        ]
        rows = [answer for answer in term.parameter.answers if answer.id is not None]
        if term.modifier is Modifier.NOT:
            return [_Way(where=(put("NOT {}", any_of([*columns, *self._exist(term, rows, kind, r)])),))]
        ways = [_Way(where=(any_of(columns),))] if columns else []
        if spread and is_ordered(term) and len(rows) * len(term.values) <= _MOST_BRANCHES:
            return ways + [
                self._rows_of([replace(term, values=(value,))], kind, r, [answer])
                for answer in rows
                for value in term.values
            ]
        return ways + ([self._rows_of([term], kind, r, rows)] if rows else [])

    def _rows_of(
        self, criteria: Sequence[Criterion], kind: str, r: str, answers: Sequence[Answer] | None = None
    ) -> _Way:
        """One row of ``r`` in an index table that holds what all of ``criteria`` ask."""
        x = self._name()
        parameter = criteria[0].parameter
        wanted = [
            any_of(
                of(parameter.kind, answer, term.modifier, term.values, x)
                for answer in (parameter.answers if answers is None else answers)
                if answer.id is not None
            )
            for term in criteria
        ]
        begins = parameter.code == main_date_parameter(kind)
        return _Way((self._index(parameter.kind, kind, r, x, wanted),), (), x if begins else None)

    def _index(self, table: str, kind: str, r: str, x: str, wanted: Sequence[Sql]) -> Sql:
        return put(
            f"JOIN {TABLE[table]} {x} ON {_same(r, x, kind)} AND {x}.labels & {self._mask} = 0 AND {{}}",
            all_of(wanted),
        )

    def _exist(self, term: Criterion, answers: Sequence[Answer], kind: str, r: str) -> list[Sql]:
        """Whether ``r`` has a row that matches."""
        if not answers:
            return []
        x = self._name()
        wanted = any_of(of(term.parameter.kind, each, term.modifier, term.values, x) for each in answers)
        return [
            put(f"EXISTS (SELECT FROM {TABLE[term.parameter.kind]} {x} WHERE {_same(r, x, kind)} AND {{}})", wanted)
        ]

    def _composite(self, term: Criterion, value: Value, kind: str, r: str) -> _Way:
        """The parts of a composite, each somewhere in the resource; that they stand together is looked up in it."""
        assert isinstance(value, CompositeValue)
        whole = _Way()
        for part, each in zip(term.parts, value.parts, strict=True):
            whole += self._all([Criterion(term.name, part, None, (each,))], kind, r)
        return replace(whole, start=None)

    def _missing(self, term: Missing, kind: str, r: str) -> Sql:
        """Whether a parameter has no value. Rows of references do not tell the type they lead to: where that
        matters, more is found than asked, and the resource is looked at."""
        there = []
        for answer in term.parameter.answers:
            if answer.column in ("id", "updated"):
                there.append(sql("true"))
            elif answer.column:
                there.append(sql(f"{r}.{answer.column} IS NOT NULL"))
            elif not (answer.target and term.missing):
                x = self._name()
                system = sql(f"{x}.system = %s", token_hash(answer.system)) if answer.system else sql("true")
                there.append(
                    put(
                        f"EXISTS (SELECT FROM {TABLE[term.parameter.kind]} {x} WHERE {_same(r, x, kind)} "
                        f"AND {x}.param = {answer.id} AND {{}})",
                        system,
                    )
                )
        found = any_of(there)
        return put("NOT ({})", found) if term.missing else found

    def _chain(self, term: Chain, target: str, inner: Term, kind: str, r: str) -> list[_Way]:
        ways = []
        for answer in term.parameter.answers:
            t = self._name()
            if answer.column:
                if answer.column == target.lower():
                    reached = self._inner(f"{t}.id", target, t, inner)
                    ways.append(_Way(where=(put(f"{r}.{answer.column} IN ({{}})", reached),)))
            elif answer.target in (None, target):
                x = self._name()
                reached = self._inner(target_sql(target, t), target, t, inner)
                wanted = put(f"{x}.param = {answer.id} AND {x}.target IN ({{}})", reached)
                ways.append(_Way((self._index("reference", kind, r, x, [wanted]),)))
        return ways

    def _has(self, term: Has, kind: str, r: str) -> list[_Way]:
        ways = []
        for answer in term.parameter.answers:
            t = self._name()
            if answer.column:
                if answer.column == kind.lower():
                    leading = self._inner(f"{t}.{answer.column}", term.type, t, term.term)
                    ways.append(_Way(where=(put(f"{r}.id IN ({{}})", leading),)))
            elif answer.target in (None, kind):
                x = self._name()
                rows = self._index("reference", term.type, t, x, [sql(f"{x}.param = {answer.id}")])
                leading = self._inner(f"{x}.target", term.type, t, term.term, rows)
                ways.append(_Way(where=(put(f"{target_sql(kind, r)} IN ({{}})", leading),)))
        return ways


def is_ordered(term: Criterion) -> bool:
    """Whether the index holds the matches of a value of ``term`` in the order of their main dates."""
    return (
        term.parameter.kind in ("token", "uri", "reference")
        and term.modifier is not Modifier.NOT
        and not all(answer.column in ("id", "updated") for answer in term.parameter.answers)
    )


def _is_one_row(term: Criterion, kind: str) -> bool:
    """Whether all that is asked of a parameter is asked of one row: there is no more than one value."""
    return (
        term.parameter.kind in ("date", "number", "quantity")
        and all(answer.id is not None for answer in term.parameter.answers)
        and is_single(kind, term.parameter.code)
    )


def order_of(search: Search, patients: Sequence[int] | None) -> tuple[SortKey, ...]:
    """The order of a search's pages: the one asked for, else the one that an index holds.

    A search that leaves the order open has the newest main dates first; one that asks nothing, what was filed last.
    Where only a date is asked, the order of main dates is that of the very date, which lets the page be read from
    its index.
    """
    order = search.sort
    if not order:
        if not search.terms and patients is None:
            return (SortKey(SortBy.FILED, descending=True),)
        order = (SortKey(SortBy.MAIN, descending=True),)
    if patients is not None or len(order) != 1 or order[0].by is not SortBy.MAIN:
        return order
    criteria = [term for term in search.terms if isinstance(term, Criterion)]
    if any(is_ordered(term) for term in criteria) or len(criteria) < len(search.terms):
        return order
    main = main_date_parameter(search.type)
    dated = any(term.parameter.code == main and _is_one_row(term, search.type) for term in criteria)
    return (replace(order[0], by=SortBy.START),) if dated else order


def _same(r: str, x: str, kind: str) -> str:
    """Index row ``x`` belongs to the current version of ``r``."""
    same = f"{x}.resource = {r}.id AND {x}.at = {r}.main_low AND {x}.version = {r}.version"
    return f"{x}.type = {TYPE_ID[kind]} AND {same}"


def _column(answer: Answer, term: Criterion, r: str) -> Sql | None:
    """What ``term`` asks of a column of the resource itself; None where it asks nothing that is there."""
    match answer.column:
        case "id":
            codes = [value.code for value in term.values if isinstance(value, TokenValue) and not value.system]
            return sql(f"{r}.public_id = ANY(%s)", [code for code in codes if code and is_id(code)])
        case "updated":
            return any_of(_updated(value, r) for value in term.values if isinstance(value, DateValue))
        case _:
            kind = "Patient" if answer.column == "patient" else "Encounter"
            numbers = [
                number
                for value in term.values
                if isinstance(value, ReferenceValue)
                for target, number in value.targets
                if target == kind and is_id(number)
            ]
            found = f"SELECT id FROM {schema.RESOURCE} WHERE type = {TYPE_ID[kind]} AND public_id"
            if len(numbers) == 1:
                return sql(f"{r}.{answer.column} = ({found} = %s)", numbers[0])
            return sql(f"{r}.{answer.column} = ANY(ARRAY({found} = ANY(%s)))", numbers) if numbers else None


def _updated(value: DateValue, r: str) -> Sql:
    """When a resource was last filed, an instant, compared with a range."""
    at, low, high = f"{r}.filed_at", moment(value.low), moment(value.high)
    match value.prefix:
        case Prefix.EQ | Prefix.AP:
            return sql(f"({at} >= %s::timestamptz AND {at} < %s::timestamptz)", low, high)
        case Prefix.NE:
            return sql(f"({at} < %s::timestamptz OR {at} >= %s::timestamptz)", low, high)
        case Prefix.GT | Prefix.SA:
            return sql(f"{at} >= %s::timestamptz", high)
        case Prefix.LT | Prefix.EB:
            return sql(f"{at} < %s::timestamptz", low)
        case Prefix.GE:
            return sql(f"{at} >= %s::timestamptz", low)
        case _:
            return sql(f"{at} < %s::timestamptz", high)
