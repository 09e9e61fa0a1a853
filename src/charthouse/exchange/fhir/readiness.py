"""Making at once what else is made with the first resource of each type."""

from __future__ import annotations

from collections.abc import Iterable

from charthouse.exchange.fhir.compartment import encounter_of, patient_of
from charthouse.exchange.fhir.search import extract
from charthouse.exchange.fhir.validation import is_valid


def get_ready(kinds: Iterable[str]) -> None:
    """Load and compile all that checking and indexing resources of ``kinds`` takes, a quarter of a second for the
    usual ones: before processes are forked, so that they share it, or before there is anybody to wait."""
    for kind in kinds:
        resource = {"resourceType": kind}
        is_valid(resource)
        extract(resource, patient_of(resource), encounter_of(resource))
