"""FHIR R4 as bytes and as dicts: reading, checking, rewriting, and what the record keeps of a resource.

Pure Python without database; everything is made lazily, importing costs milliseconds.
"""

from charthouse.exchange.fhir.bundle import Entry, Envelope
from charthouse.exchange.fhir.compartment import (
    encounter_of,
    is_resource_type,
    main_date,
    patient_of,
    patients_of,
    security_codes,
    status_of,
)
from charthouse.exchange.fhir.dates import (
    BEGINNING,
    END_OF_TIME,
    Moment,
    Precision,
    instant_range,
    moment,
    to_datetime,
)
from charthouse.exchange.fhir.definitions import compartments, element_facts, parameter_ids, resource_types
from charthouse.exchange.fhir.elements import (
    element_of,
    is_choice,
    is_single,
    main_date_parameter,
    strings_of,
    values_of,
)
from charthouse.exchange.fhir.errors import FhirError
from charthouse.exchange.fhir.numbers import implicit_range
from charthouse.exchange.fhir.parameters import (
    NOT_EXTRACTED,
    Answer,
    Parameter,
    all_parameters,
    default_parameters,
    definitions_of,
)
from charthouse.exchange.fhir.parsing import DEFAULT_LIMITS, Limits, parse
from charthouse.exchange.fhir.readiness import get_ready
from charthouse.exchange.fhir.reading import Form, Split, split
from charthouse.exchange.fhir.references import (
    Opened,
    Rewriter,
    read_reference,
    references_of,
    rewrite,
    set_id,
    unescaped,
)
from charthouse.exchange.fhir.rows import ReferenceRow, Rows, TokenRow
from charthouse.exchange.fhir.search import Extractor, default_extractor, extract
from charthouse.exchange.fhir.streams import open_stream
from charthouse.exchange.fhir.text import LONGEST, clip, fold
from charthouse.exchange.fhir.validation import Problem, beyond_schema, is_valid, validate

__all__ = [
    "BEGINNING",
    "DEFAULT_LIMITS",
    "END_OF_TIME",
    "LONGEST",
    "NOT_EXTRACTED",
    "Answer",
    "Entry",
    "Envelope",
    "Extractor",
    "FhirError",
    "Form",
    "Limits",
    "Moment",
    "Opened",
    "Parameter",
    "Precision",
    "Problem",
    "ReferenceRow",
    "Rewriter",
    "Rows",
    "Split",
    "TokenRow",
    "all_parameters",
    "beyond_schema",
    "clip",
    "compartments",
    "default_extractor",
    "default_parameters",
    "definitions_of",
    "element_facts",
    "element_of",
    "encounter_of",
    "extract",
    "fold",
    "get_ready",
    "implicit_range",
    "instant_range",
    "is_choice",
    "is_resource_type",
    "is_single",
    "is_valid",
    "main_date",
    "main_date_parameter",
    "moment",
    "open_stream",
    "parameter_ids",
    "parse",
    "patient_of",
    "patients_of",
    "read_reference",
    "references_of",
    "resource_types",
    "rewrite",
    "security_codes",
    "set_id",
    "split",
    "status_of",
    "strings_of",
    "to_datetime",
    "unescaped",
    "validate",
    "values_of",
]
