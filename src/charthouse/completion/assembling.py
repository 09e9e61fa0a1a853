"""An encounter's chart put in order: what stands where, each item once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import connection

from charthouse.foundation.access.api import AccessContext
from charthouse.identity import api as identity
from charthouse.record import api as record
from charthouse.record import chart

from . import reading
from .chart_orders import OrderLine, chart_order
from .chart_queries import DeficiencyLine, lacking
from .classification import pieces_of
from .domain.assembly import IndexPart, Section, assembled, index_of
from .domain.facts import EncounterFacts, EncounterKind
from .domain.pieces import RESULTS
from .index_marks import doubled, most_of_pieces, told_apart

#: Groups of items that are no documents, each a leaf of the piece it belongs to.
FACE, ORDERS, GIVEN, RESULTS_GROUP, VITALS, OTHERS = "face", "orders", "given", "results", "vitals", "others"
#: The piece of what no other group takes, behind everything that has a place.
OTHER_ITEMS = "other-items"


@dataclass(frozen=True, slots=True)
class ChartLeaf:
    """What stands at one place of a chart: a document (``held``), or a group of items.

    ``items`` are all that it shows, as ``Type/id``: the document with what was added to it and the reports that say
    the same; a group with each of its rows and what they are drawn from.
    """

    key: str
    title: str
    at: datetime | None = None
    items: tuple[str, ...] = ()
    held: record.HeldDocument | None = None
    group: str = ""

    @property
    def type(self) -> str:
        return self.key.partition("/")[0]

    @property
    def id(self) -> str:
        return self.key.partition("/")[2]


@dataclass(frozen=True, slots=True)
class IndexLeaf:
    """A leaf in the index: what is wrong with it, and how many documents of its piece there are where one chart
    needs fewer (0 where not)."""

    leaf: ChartLeaf
    marks: tuple[DeficiencyLine, ...] = ()
    of: int = 0


@dataclass(frozen=True, slots=True)
class AssembledChart:
    """The chart of one encounter in its order.

    ``digests`` are the version and the SHA-256 of everything in it, by ``Type/id``; every one of them stands in
    exactly one leaf. What is lacking is no part of the chart, and told beside it as far as it is the asker's to
    know: ``marks`` by the key of the leaf it is about, ``lacks`` with the piece each would be. ``most`` is how many
    documents of a piece one chart needs.
    """

    encounter: chart.Encounter
    kind: EncounterKind
    order: OrderLine
    sections: tuple[Section[ChartLeaf], ...]
    holding: record.Holding
    digests: Mapping[str, tuple[int, str]]
    marks: Mapping[str, tuple[DeficiencyLine, ...]] = field(default_factory=dict)
    lacks: tuple[tuple[str, DeficiencyLine], ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)

    @property
    def index(self) -> tuple[IndexPart[IndexLeaf, DeficiencyLine], ...]:
        """The sections with what is lacking at the place where it would stand."""
        return index_of(
            [(each.piece, tuple(self._marked(each))) for each in self.sections], self.lacks, self.order.pieces
        )

    def _marked(self, section: Section[ChartLeaf]) -> Iterator[IndexLeaf]:
        standing = [
            each for each in section.leaves if each.held and each.held.entry.mark is not chart.Mark.RETRACTED
        ]
        of = doubled(section.piece, len(standing), self.most)
        for each in section.leaves:
            yield IndexLeaf(each, tuple(self.marks.get(each.key, ())), of if each in standing else 0)

    @property
    def leaves(self) -> tuple[ChartLeaf, ...]:
        return tuple(leaf for section in self.sections for leaf in section.leaves)

    def leaf(self, key: str) -> ChartLeaf | None:
        """The leaf of this key; of a document that stands with another, that one."""
        return next((each for each in self.leaves if key in (each.key, *each.items)), None)

    @property
    def heading(self) -> str:
        """The encounter in a line, as it stands over its pages: its kind, number and days."""
        row = self.encounter
        number = f"visit {row.number}" if row.number else ""
        return ", ".join(filter(None, (f"{row.title}", number)))


def assemble(ctx: AccessContext, patients: Sequence[int], encounter: str) -> AssembledChart | None:
    """The chart of an encounter (its public id) in the order of its kind, as far as the asker may see it; None
    where this chart has no such encounter."""
    holding = record.holding(ctx, patients, encounter)
    if holding is None:
        return None
    found = pieces_of([((each.entry.type, each.row), each.source, each.resource) for each in holding.documents])
    leaves = [_document(each) for each in holding.documents]
    pieces: dict[str, str | None] = {each.key: found[each.entry.type, each.row] for each in holding.documents}
    for leaf, piece in _groups(holding):
        leaves.append(leaf)
        pieces[leaf.key] = piece
    facts = _bare_facts(holding)
    order = chart_order(facts.kind)
    # What is wrong with something that was added to a document is told with the document.
    of_item = {item: leaf.key for leaf in leaves if leaf.held for item in leaf.items}
    about, lines = told_apart(lacking(ctx, encounter), of_item.keys())
    marks: dict[str, tuple[DeficiencyLine, ...]] = {}
    for item, listed in about.items():
        marks[of_item[item]] = (*marks.get(of_item[item], ()), *listed)
    return AssembledChart(
        holding.encounter,
        facts.kind,
        order,
        assembled(leaves, pieces, order.pieces),
        holding,
        holding.digests,
        marks,
        tuple(lines),
        most_of_pieces(facts.facility_type, facts.procedures),
    )


def encounter_named(ctx: AccessContext, name: str) -> tuple[UUID, str] | None:
    """The person and the public id of an encounter named by its id; None where there is none open to the asker."""
    with connection.cursor() as cursor:
        stored = record.current(cursor, ctx, [("Encounter", name)]).get(("Encounter", name))
    if stored is None or stored.patient is None:
        return None
    person = identity.persons_of([stored.patient]).get(stored.patient)
    return (person, name) if person else None


def _document(held: record.HeldDocument) -> ChartLeaf:
    panel = [f"{each.type}/{each.id}" for each in held.panel.results] if held.panel else []
    return ChartLeaf(
        key=held.key,
        title=held.entry.title,
        at=held.entry.when.instant or held.entry.authored.instant,
        items=tuple(dict.fromkeys((held.key, *held.added, *held.same, *panel))),
        held=held,
    )


def _groups(holding: record.Holding) -> list[tuple[ChartLeaf, str]]:
    """What is no document, by the piece it belongs to."""
    found = [
        (_group(FACE, "Face sheet", (holding.encounter, *holding.problems, *holding.procedures)), "identification")
    ]
    panels = [row for panel in holding.panels for row in (panel, *panel.results)]
    vitals = [point for series in holding.vitals for point in series.points]
    for group, title, rows, piece in (
        (ORDERS, "Orders as recorded", holding.orders, "order-sheet"),
        (RESULTS_GROUP, "Results as recorded", panels, RESULTS),
        (GIVEN, "Medications and immunizations as recorded", holding.given, "medication-record"),
        (VITALS, "Vital signs as recorded", vitals, "vital-signs"),
        (OTHERS, "Other items of the record", holding.others, OTHER_ITEMS),
    ):
        if rows:
            found.append((_group(group, title, rows, holding.measured if group == VITALS else ()), piece))
    if holding.measured and not vitals:
        # A report of vital signs whose values may not be seen is an item all the same.
        found.append((_group(VITALS, "Vital signs as recorded", (), holding.measured), "vital-signs"))
    return found


def _group(group: str, title: str, rows: Sequence[chart.Row], more: Sequence[str] = ()) -> ChartLeaf:
    keys = dict.fromkeys((*(f"{each.type}/{each.id}" for each in rows), *more))
    return ChartLeaf(key=f"group/{group}", title=title, items=tuple(keys), group=group)


def kind_of(holding: record.Holding) -> EncounterKind:
    """What an encounter's chart is to completion, as its analysis would have it."""
    return _bare_facts(holding).kind


def _bare_facts(holding: record.Holding) -> EncounterFacts:
    """An encounter with its operations, as its analysis would have it; its documents are not read."""
    operations = tuple(reading.procedure_of(each) for each in holding.operations)
    return reading.encounter_of(holding.stored, procedures=operations)
