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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from charthouse.exchange.fhir.api import Answer, is_single, main_date_parameter
from charthouse.foundation.access.api import AccessContext
from charthouse.record import schema
from charthouse.record.domain.filing import STATE_NUMBER, State
from charthouse.record.domain.index_rows import target_sql, token_hash
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.queries import STORED

from .ordering import Place, behind, beside, directed, has_rows, ordered_key, told
from .predicates import TABLE, Predicate, indexed, of
from .sql import NEVER, Sql, all_of, any_of, join, moment, put, sql
from .terms import (
    AllOf,
    AnyOf,
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
    Words,
)
from .values import is_id

#: Branches of a union; a term with more values is answered by one join, and its matches are sorted.
_MOST_BRANCHES = 8
#: The public id of the patient a resource ``r`` belongs to.
_OWNER = f"(SELECT o.public_id FROM {schema.RESOURCE} o WHERE o.type = {TYPE_ID['Patient']} AND o.id = r.patient)"
_ACTIVE, _DELETED, _DESTROYED = (STATE_NUMBER[each] for each in (State.ACTIVE, State.DELETED, State.DESTROYED))


#: Rows of an index that are few: a search begins with them, whatever their order.
_FEW = 1_000

#: Resources whose codes are looked up by their rows for an order.
_SOME = 200
#: What an order needs of a resource.
_ORDERED = "r.id, r.version, r.patient, r.encounter, r.main_low, r.filed_at, r.public_id"


@dataclass(frozen=True, slots=True)
class _Row:
    """One row ``x`` of an index table that a resource of type ``kind`` must have. ``indexed`` is what the index by
    itself can tell of ``wanted``. ``ordered`` where the index holds those wanted in the order of main dates,
    ``begins`` where it is of the main date's own parameter."""

    x: str
    table: str
    kind: str
    wanted: Sql
    indexed: Sql
    ordered: bool = False
    begins: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a term can hold: rows of indexes, other tables to join, and conditions.

    ``narrow`` where a condition alone leads to few resources (those of a patient); ``reached`` where one leads to
    resources by others, and PostgreSQL is to find the way.
    """

    rows: tuple[_Row, ...] = ()
    joins: tuple[Sql, ...] = ()
    where: tuple[Sql, ...] = ()
    narrow: bool = False
    reached: bool = False

    def __add__(self, other: _Way) -> _Way:
        return _Way(
            self.rows + other.rows,
            self.joins + other.joins,
            self.where + other.where,
            self.narrow or other.narrow,
            self.reached or other.reached,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the resources ``r`` of a branch come from, and what must hold. ``lead`` are the index rows that lead to
    them, ``start`` those of the main date's parameter; ``repeated`` where a resource may be found twice. ``steady``
    where they are read from one index in the page's order, or are few, so that no value calls for another plan."""

    tables: Sql
    where: Sql
    lead: str | None
    start: str | None
    repeated: bool
    steady: bool = False

    @property
    def number(self) -> str:
        """The column of the resource's row."""
        return f"{self.lead}.resource" if self.lead else "r.id"


class Compiler:
    """Compiles searches for one reader. ``errors`` says whether what was entered in error is found, too, as FHIR
    wants (it is a status); a chart leaves it out. ``counted`` runs a statement that counts several things, where
    there is a database to ask which of several terms is the rarest."""

    def __init__(
        self, ctx: AccessContext, *, errors: bool = True, counted: Callable[[Sql], Sequence[int]] | None = None
    ) -> None:
        self._counted = counted
        self._mask = ~int(ctx.clearance)
        self._state = f"NOT IN ({_DELETED}, {_DESTROYED})" if errors else f"= {_ACTIVE}"
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
        """The statement of one page: the columns of :data:`charthouse.record.queries.STORED`, the public id of the
        patient it belongs to, then for each key of the order what the cursor needs of it."""
        branches = []
        steady = True
        named = [(self._name(), key) for key in order]
        hashed = [(name, key) for name, key in named if key.words and has_rows(key)]
        few = bool(hashed) and self._are_few(search, patients)
        for way in self._branches(search, order, patients):
            found = self._from(way, search.type, order)
            if hashed:
                matches = put(f"SELECT DISTINCT {_ORDERED} FROM {{}} WHERE {{}}", found.tables, found.where)
                tables = put("{} r", beside(matches, hashed, search.type, few=few))
                found = _Found(tables, sql("r.id IS NOT NULL"), None, None, False)
            steady = steady and found.steady
            keys = [ordered_key(key, search.type, "r", name, found.start, found.lead) for name, key in named]
            tables = join(" ", [found.tables, *(key.joined for key in keys if key.joined)])
            columns = [column for key in keys for column in key.columns()]
            sorting = directed(order, [str(column) for column in columns], found.number)
            same = ", ".join([*map(str, columns), found.number])
            distinct = f"DISTINCT ON ({same}) " if found.repeated else ""
            chosen = ", ".join(
                [f"{found.number} AS id", *(f"{column} AS k{number}" for number, column in enumerate(columns))]
            )
            conditions = behind(keys, search.type, found.number, after) if after else [sql("true")]
            branches += [
                put(
                    f"(SELECT {distinct}{chosen} FROM {{}} WHERE {{}} ORDER BY {sorting} LIMIT {limit})",
                    tables,
                    all_of([found.where, condition]),
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
        whole = put(
            # One by one: statistics of what was just filed are old, and a page is short.
            f"SELECT {STORED}, {_OWNER}{given} FROM {{}} page "
            f"CROSS JOIN LATERAL (SELECT * FROM {schema.RESOURCE} WHERE type = {number} AND id = page.id "
            f"LIMIT 1) r "
            f"CROSS JOIN LATERAL (SELECT * FROM {schema.VERSION} WHERE type = {number} AND resource = page.id "
            f"AND version = r.version LIMIT 1) v "
            f"ORDER BY {directed(order, [f'page.{name}' for name in names], 'page.id')}",
            inner,
        )
        return replace(whole, steady=steady)

    def _are_few(self, search: Search, patients: Sequence[int] | None) -> bool:
        if self._counted is None:
            return False
        (found,) = self._counted(self.total(search, patients=patients, most=_SOME + 1))
        return found <= _SOME

    def total(self, search: Search, *, patients: Sequence[int] | None = None, most: int | None = None) -> Sql:
        """The statement that counts the matches, up to ``most`` where given."""
        limit = f" LIMIT {most}" if most is not None else ""
        selects = []
        for way in self._branches(search, (), patients):
            found = self._from(way, search.type, ())
            distinct = "DISTINCT " if found.repeated else ""
            selects.append(put(f"SELECT {distinct}r.id FROM {{}} WHERE {{}}", found.tables, found.where))
        return put(f"SELECT count(*) FROM (SELECT id FROM ({{}}) u{limit}) c", join(" UNION ", selects))

    def _branches(self, search: Search, order: Sequence[SortKey], patients: Sequence[int] | None) -> Iterator[_Way]:
        """The ways in which all terms hold. One term may be spread into branches, the others are joined."""
        base = [*self._seen("r", search.type)]
        if patients is not None:
            base.append(sql("r.patient = ANY(%s)", list(patients)))
        spread = self._to_spread(search, order, patients)
        rest = self._all([term for term in search.terms if term is not spread], search.type, "r")
        for way in self._ways(spread, search.type, "r", spread=True) if spread else [_Way()]:
            yield _Way(where=tuple(base), narrow=patients is not None) + way + rest

    def _from(self, way: _Way, kind: str, order: Sequence[SortKey]) -> _Found:
        """How the resources of a branch are found.

        Where one index row leads, the others are looked up for each resource it leads to. PostgreSQL would estimate
        their conjunction as if they had nothing to do with each other, expect next to nothing, and read them whole
        instead of stopping when the page is full.
        """
        start = next((row.x for row in way.rows if row.begins), None)
        by_start = any(key.by is SortBy.START for key in order)
        if way.reached or (way.joins and way.rows):
            joins = [*(self._joined(row, "r") for row in way.rows), *way.joins]
            tables = join(" ", [sql(f"{schema.RESOURCE} r"), *joins])
            return _Found(tables, all_of(way.where), None, start, bool(joins))
        lead = None if way.narrow or not way.rows else self._lead(way.rows, by_start)
        begin, where = [sql(f"{schema.RESOURCE} r")], list(way.where)
        if lead is not None:
            own = f"r.id = {lead.x}.resource AND r.version = {lead.x}.version"
            begin = [sql(f"{lead.table} {lead.x} JOIN {schema.RESOURCE} r ON {own}")]
            where.insert(0, self._kept(lead))
        others = [row for row in way.rows if row is not lead]
        # An order by the date itself needs its row, not only that there is one.
        shown = [row for row in others if by_start and row.begins]
        begin += [put(f"JOIN {row.table} {row.x} ON {_own(row.x, 'r')} AND {{}}", self._kept(row)) for row in shown]
        where += [self._looked_up(row) for row in others if row not in shown]
        repeated = lead is not None or bool(shown or way.joins)
        in_order = lead is not None and (lead.begins if by_start else lead.ordered)
        return _Found(
            join(" ", [*begin, *way.joins]),
            all_of(where),
            lead.x if lead else None,
            start,
            repeated,
            not way.joins and (way.narrow or in_order),
        )

    def _looked_up(self, row: _Row) -> Sql:
        """Whether ``r`` has such a row; a scalar subquery is always answered by the index."""
        at = f" AND {row.x}.at = r.main_low" if row.table in (schema.TOKEN, schema.REFERENCE) else ""
        return put(
            f"(SELECT true FROM {row.table} {row.x} WHERE {_own(row.x, 'r')}{at} AND {{}} LIMIT 1)", self._kept(row)
        )

    def _lead(self, rows: Sequence[_Row], by_start: bool) -> _Row:
        """The row to begin with: the only one, the rarest, or where none is rare one that stands in the order."""
        if len(rows) == 1:
            return rows[0]
        in_order = next((row for row in rows if row.begins if by_start or row.ordered), None) or next(
            (row for row in rows if row.ordered), rows[0]
        )
        if self._counted is None:
            return in_order
        # An index of quantities leads to one end of a range only.
        countable = [row for row in rows if row.table != schema.QUANTITY]
        if not countable:
            return in_order
        # What the index itself holds is counted, and no row of the table is read: it is about how many there are.
        counts = self._counted(
            put(
                "SELECT " + ", ".join(["({})"] * len(countable)),
                *(
                    put(
                        f"SELECT count(*) FROM (SELECT FROM {row.table} {row.x} WHERE {{}} LIMIT {_FEW}) few",
                        row.indexed,
                    )
                    for row in countable
                ),
            )
        )
        fewest, number = min((count, number) for number, count in enumerate(counts))
        return countable[number] if fewest < _FEW else in_order

    def _kept(self, row: _Row) -> Sql:
        """What an index row itself must fulfil."""
        number = TYPE_ID[row.kind]
        return put(f"{row.x}.type = {number} AND {self._open(row.x)} AND {{}}", row.wanted)

    def _joined(self, row: _Row, r: str) -> Sql:
        return put(
            f"JOIN {row.table} {row.x} ON {_same(r, row.x, row.kind)} AND {self._open(row.x)} AND {{}}", row.wanted
        )

    def _open(self, x: str) -> str:
        """Whether the labels of ``x`` are open to the reader. Nearly all rows have none, which statistics know."""
        return f"({x}.labels = 0 OR {x}.labels & {self._mask} = 0)"

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
            sql(self._open(r)),
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
            if len(ways) == 1:
                whole += ways[0]
            else:
                whole += _Way(where=(put(f"{r}.id IN ({{}})", self._union(term, kind)),), reached=True)
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
                put(
                    f"SELECT {t}.id FROM {schema.RESOURCE} {t} {{}} WHERE {{}}",
                    join(" ", [*(self._joined(row, t) for row in way.rows), *way.joins]),
                    conditions,
                )
            )
        return join(" UNION ALL ", selects)

    def _inner(self, chosen: str, kind: str, t: str, term: Term, *joins: Sql) -> Sql:
        """``chosen`` of the resources ``t`` of a type for which ``term`` holds."""
        way = self._all([term], kind, t)
        return put(
            f"SELECT {chosen} FROM {schema.RESOURCE} {t} {{}} WHERE {{}}",
            join(" ", [*joins, *(self._joined(row, t) for row in way.rows), *way.joins]),
            all_of([*self._seen(t, kind), *way.where]),
        )

    def _ways(self, term: Term, kind: str, r: str, *, spread: bool = False) -> list[_Way]:
        """Every way in which ``term`` can hold for ``r``; with ``spread`` each value is one of its own."""
        return self._any_ways(term, kind, r, spread) or [_Way(where=(NEVER,))]

    def _any_ways(self, term: Term, kind: str, r: str, spread: bool) -> list[_Way]:
        match term:
            case OneOf():
                return [_Way(where=(sql(f"{r}.id = ANY(%s)", list(term.rows)),), narrow=True)]
            case AnyOf():
                return [way for each in term.terms for way in self._ways(each, kind, r) if way.where != (NEVER,)]
            case AllOf():
                return [self._all(term.terms, kind, r)]
            case Words():
                return [self._words(term, kind, r)]
            case Missing():
                return [_Way(where=(self._missing(term, kind, r),))]
            case Chain():
                return [way for target, inner in term.targets for way in self._chain(term, target, inner, kind, r)]
            case Has():
                return self._has(term, kind, r)
            case Criterion():
                return self._criterion(term, kind, r, spread)
            case _:
                raise TypeError(f"{type(term).__name__} is to be settled before it is compiled")

    def _criterion(self, term: Criterion, kind: str, r: str, spread: bool) -> list[_Way]:
        if term.modifier in (Modifier.TEXT, Modifier.BELOW):
            return [_Way()]  # neither words nor beginnings of URIs are indexed: each resource is looked at
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
        narrow = all(answer.column != "updated" for answer in term.parameter.answers if answer.column)
        ways = [_Way(where=(any_of(columns),), narrow=narrow)] if columns else []
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
        held = [each for each in (parameter.answers if answers is None else answers) if each.id is not None]

        def asked(predicate: Predicate) -> Sql:
            return all_of(
                any_of(predicate(parameter.kind, answer, term.modifier, term.values, x) for answer in held)
                for term in criteria
            )

        ordered = all(is_ordered(term) and len(term.values) == 1 for term in criteria)
        begins = parameter.code == main_date_parameter(kind)
        return _Way((_Row(x, TABLE[parameter.kind], kind, asked(of), asked(indexed), ordered, begins),))

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
        return replace(whole, rows=tuple(replace(row, begins=False) for row in whole.rows))

    def _words(self, term: Words, kind: str, r: str) -> _Way:
        """The index of words holds the text of the version that stands, a little behind."""
        x = self._name()
        row = f"{x}.resource = {r}.id AND {x}.version = {r}.version AND {x}.type = {TYPE_ID[kind]}"
        return _Way(
            joins=(
                sql(f"JOIN record_text {x} ON {row} AND {self._open(x)} AND {x}.words @@ %s::tsquery", term.query),
            )
        )

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
                    ways.append(_Way(where=(put(f"{r}.{answer.column} IN ({{}})", reached),), reached=True))
            elif answer.target in (None, target):
                x = self._name()
                reached = self._inner(target_sql(target, t), target, t, inner)
                wanted = put(f"{x}.param = {answer.id} AND {x}.target IN ({{}})", reached)
                ways.append(_Way((_Row(x, schema.REFERENCE, kind, wanted, wanted),), reached=True))
        return ways

    def _has(self, term: Has, kind: str, r: str) -> list[_Way]:
        ways = []
        for answer in term.parameter.answers:
            t = self._name()
            if answer.column:
                if answer.column == kind.lower():
                    leading = self._inner(f"{t}.{answer.column}", term.type, t, term.term)
                    ways.append(_Way(where=(put(f"{r}.id IN ({{}})", leading),), reached=True))
            elif answer.target in (None, kind):
                x = self._name()
                leads = sql(f"{x}.param = {answer.id}")
                row = _Row(x, schema.REFERENCE, term.type, leads, leads)
                rows = self._joined(row, t)
                leading = self._inner(f"{x}.target", term.type, t, term.term, rows)
                ways.append(_Way(where=(put(f"{target_sql(kind, r)} IN ({{}})", leading),), reached=True))
        return ways


def is_ordered(term: Criterion) -> bool:
    """Whether the index holds the matches of a value of ``term`` in the order of their main dates."""
    return (
        term.parameter.kind in ("token", "uri", "reference")
        and term.modifier not in (Modifier.NOT, Modifier.TEXT, Modifier.BELOW)
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

    A search that leaves the order open has the newest main dates first, where it asks for something that the index
    holds in this order; else what was filed last. Where only a date is asked, the order of main dates is that of
    the very date, which lets the page be read from its index.
    """
    order = search.sort
    if not order:
        if patients is None and not any(_leads(term, search.type) for term in search.terms):
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


def _leads(term: Term, kind: str) -> bool:
    """Whether an index leads to the resources for which ``term`` holds in the order of their main dates."""
    if isinstance(term, AnyOf):
        return True
    if not isinstance(term, Criterion):
        return False
    return is_ordered(term) or (term.parameter.code == main_date_parameter(kind) and _is_one_row(term, kind))


def _own(x: str, r: str) -> str:
    """Index row ``x`` belongs to the current version of ``r``."""
    return f"{x}.resource = {r}.id AND {x}.version = {r}.version"


def _same(r: str, x: str, kind: str) -> str:
    """As :func:`_own`, with all that the index of codes and references needs to step to the row."""
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
