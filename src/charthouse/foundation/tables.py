"""The classes a table may be in. Merge, split, export, retention and access ask a table's class.

A model says it with ``@table(TableClass.X)``; a test fails for a model in none. A patient-owned one also says what
becomes of its rows when a source patient that held two persons is split. A merge changes no patient-owned row but
whose a source patient is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from django.db.models import Model

M = TypeVar("M", bound="type[Model]")


class TableClass(StrEnum):
    """PATIENT rows belong to one patient and follow a split; DIRECTORY rows are people, places and
    organizations shared by patients; REFERENCE rows are published or configured data; MACHINERY rows are the
    department's own bookkeeping."""

    PATIENT = "patient-owned"
    DIRECTORY = "directory"
    REFERENCE = "reference"
    MACHINERY = "machinery"


class Split(StrEnum):
    """What becomes of patient-owned rows in a split: FILED ones are filed again under the other patient; those WITH
    their resource name no patient of their own, and so go where it goes; REBUILT ones are made again for both
    patients; what arrived STAYS as it arrived."""

    FILED = "filed again"
    WITH = "with its resource"
    REBUILT = "made again"
    STAYS = "stays"


@dataclass(frozen=True, slots=True)
class Follows:
    """Rows that name their patient themselves and follow the resource they belong to: the columns that hold the
    rows of the two, and the resource's FHIR type."""

    patient: str
    resource: str
    type: str


@dataclass(frozen=True, slots=True)
class _Declared:
    table_class: TableClass
    split: Split | Follows | None


_declared: dict[type[Model], _Declared] = {}


def table(table_class: TableClass, *, split: Split | Follows | None = None) -> Callable[[M], M]:
    """Declare the class of a model's table, and of a patient-owned one what becomes of it in a split."""

    def declare(model: M) -> M:
        _declared[model] = _Declared(table_class, split)
        return model

    return declare


def class_of(model: type[Model]) -> TableClass | None:
    """The declared class, or None where a model declares none."""
    found = _declared.get(model)
    return found.table_class if found else None


def split_of(model: type[Model]) -> Split | Follows | None:
    """What becomes of a model's rows in a split, or None where it does not say."""
    found = _declared.get(model)
    return found.split if found else None


def declared() -> Iterator[tuple[type[Model], TableClass]]:
    """Every declared model with its class."""
    for model, found in _declared.items():
        yield model, found.table_class


def following() -> Iterator[tuple[str, Follows]]:
    """The tables whose rows follow a resource in a split, each with its columns."""
    for model, found in _declared.items():
        if isinstance(found.split, Follows):
            yield model._meta.db_table, found.split
