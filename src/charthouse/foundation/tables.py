"""The classes a table may be in. Merge, split, export, retention and access ask a table's class.

A model says it with ``@table(TableClass.X)``; a test fails for a model in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


_classes: dict[type[Model], TableClass] = {}


def table(table_class: TableClass) -> Callable[[M], M]:
    """Declare the class of a model's table."""

    def declare(model: M) -> M:
        _classes[model] = table_class
        return model

    return declare


def class_of(model: type[Model]) -> TableClass | None:
    """The declared class, or None where a model declares none."""
    return _classes.get(model)


def declared() -> Iterator[tuple[type[Model], TableClass]]:
    """Every declared model with its class."""
    yield from _classes.items()
