"""What the record keeps of every resource in columns: whose it is, its encounter, when, how sensitive, its state.

Readers are made per resource type on first use and then only look at the keys that matter to it. All take a
resource that keeps to R4's schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from charthouse.exchange.fhir.dates import Moment, moment
from charthouse.exchange.fhir.definitions import (
    Json,
    parameters_by_code,
    patient_compartment,
    resource_types,
    schema_definitions,
)
from charthouse.exchange.fhir.paths import Field, Leaf, Step, Where, leaves
from charthouse.exchange.fhir.references import read_reference

TypeOf = Callable[[str], str | None]
"""The resource type behind a reference that does not tell it (``urn:uuid:…``), where the caller knows."""

# The parameter whose patient counts first, where the compartment definition names another one before it.
_FIRST = {"Coverage": "beneficiary", "Invoice": "subject"}

# Where the main clinical date of a type stands, the first found counts. Elements by R4's JSON names.
MAIN_DATES: dict[str, tuple[str, ...]] = {
    "Account": ("servicePeriod.start",),
    "AdverseEvent": ("date", "detected", "recordedDate"),
    "AllergyIntolerance": ("onsetDateTime", "onsetPeriod.start", "recordedDate"),
    "Appointment": ("start", "requestedPeriod.start", "created"),
    "AppointmentResponse": ("start",),
    "AuditEvent": ("recorded",),
    "Basic": ("created",),
    "BiologicallyDerivedProduct": ("collection.collectedDateTime", "collection.collectedPeriod.start"),
    "Bundle": ("timestamp",),
    "CarePlan": ("period.start", "created"),
    "CareTeam": ("period.start",),
    "ChargeItem": ("occurrenceDateTime", "occurrencePeriod.start", "occurrenceTiming.event", "enteredDate"),
    "Claim": ("billablePeriod.start", "created"),
    "ClaimResponse": ("created",),
    "ClinicalImpression": ("effectiveDateTime", "effectivePeriod.start", "date"),
    "Communication": ("sent", "received"),
    "CommunicationRequest": ("occurrenceDateTime", "occurrencePeriod.start", "authoredOn"),
    "Composition": ("date",),
    "Condition": ("onsetDateTime", "onsetPeriod.start", "recordedDate"),
    "Consent": ("dateTime",),
    "Contract": ("issued",),
    "Coverage": ("period.start",),
    "CoverageEligibilityRequest": ("servicedDate", "servicedPeriod.start", "created"),
    "CoverageEligibilityResponse": ("servicedDate", "servicedPeriod.start", "created"),
    "DetectedIssue": ("identifiedDateTime", "identifiedPeriod.start"),
    "DeviceRequest": ("occurrenceDateTime", "occurrencePeriod.start", "occurrenceTiming.event", "authoredOn"),
    "DeviceUseStatement": ("timingDateTime", "timingPeriod.start", "timingTiming.event", "recordedOn"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod.start", "issued"),
    "DocumentManifest": ("created",),
    "DocumentReference": ("context.period.start", "date"),
    "Encounter": ("period.start",),
    "EnrollmentRequest": ("created",),
    "EnrollmentResponse": ("created",),
    "EpisodeOfCare": ("period.start",),
    "ExplanationOfBenefit": ("billablePeriod.start", "created"),
    "FamilyMemberHistory": ("date",),
    "Flag": ("period.start",),
    "Goal": ("startDate", "statusDate"),
    "GuidanceResponse": ("occurrenceDateTime",),
    "ImagingStudy": ("started",),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "ImmunizationEvaluation": ("date",),
    "ImmunizationRecommendation": ("date",),
    "Invoice": ("date",),
    "List": ("date",),
    "MeasureReport": ("period.start", "date"),
    "Media": ("createdDateTime", "createdPeriod.start", "issued"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod.start"),
    "MedicationDispense": ("whenHandedOver", "whenPrepared"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod.start", "dateAsserted"),
    "NutritionOrder": ("dateTime",),
    "Observation": (
        "effectiveDateTime",
        "effectivePeriod.start",
        "effectiveInstant",
        "effectiveTiming.event",
        "issued",
    ),
    "PaymentNotice": ("paymentDate", "created"),
    "PaymentReconciliation": ("paymentDate", "created"),
    "Procedure": ("performedDateTime", "performedPeriod.start"),
    "Provenance": ("occurredDateTime", "occurredPeriod.start", "recorded"),
    "QuestionnaireResponse": ("authored",),
    "RequestGroup": ("authoredOn",),
    "ResearchSubject": ("period.start",),
    "RiskAssessment": ("occurrenceDateTime", "occurrencePeriod.start"),
    "Schedule": ("planningHorizon.start",),
    "ServiceRequest": ("occurrenceDateTime", "occurrencePeriod.start", "occurrenceTiming.event", "authoredOn"),
    "Slot": ("start",),
    "Specimen": ("collection.collectedDateTime", "collection.collectedPeriod.start", "receivedTime"),
    "SupplyDelivery": ("occurrenceDateTime", "occurrencePeriod.start", "occurrenceTiming.event"),
    "SupplyRequest": ("occurrenceDateTime", "occurrencePeriod.start", "occurrenceTiming.event", "authoredOn"),
    "Task": ("executionPeriod.start", "authoredOn", "lastModified"),
    "VisionPrescription": ("dateWritten", "created"),
}

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def patient_of(resource: Json, type_of: TypeOf | None = None) -> str | None:
    """The reference to the patient in whose compartment ``resource`` is; ``None`` where it is in none.

    The elements are those of R4's compartment definition; types that it leaves out though they can be about a
    patient (Device, Contract, GuidanceResponse) count by their ``patient`` or ``subject``. Of several (an
    Appointment of two) the first in the definition's order, so that the subject comes before performers and
    authors. A Patient is its own (``Patient/<id>``). Where a reference does not tell its type (``urn:uuid:…``)
    ``type_of`` is asked; without it such a reference counts where the element is the resource's one subject, and
    nowhere else.
    """
    kind = resource["resourceType"]
    if kind != "Patient" and (readers := _patient_readers(kind)):
        key, further, _ = readers[0]
        if further is None and (value := resource.get(key)) is not None:  # one subject, told plainly: nearly always
            text: str = value.get("reference", "")
            if text.startswith("Patient/"):
                return text
    return next(_patients(resource, type_of), None)


def patients_of(resource: Json, type_of: TypeOf | None = None) -> list[str]:
    """All references to patients in whose compartments ``resource`` is; see :func:`patient_of`."""
    return list(dict.fromkeys(_patients(resource, type_of)))


def _patients(resource: Json, type_of: TypeOf | None) -> Iterator[str]:
    kind = resource["resourceType"]
    if kind == "Patient":
        if "id" in resource:
            yield f"Patient/{resource['id']}"
        return
    for key, further, sure in _patient_readers(kind):
        if (value := resource.get(key)) is None:
            continue
        for found in further(value) if further else (value,):
            text = found.get("reference")
            if text is None or text[:1] == "#":
                continue
            target = read_reference(text)[0]
            if target is None:
                target = type_of(text) if type_of else found.get("type")
                if target is None and sure and not type_of and text.startswith("urn:"):
                    target = "Patient"
            if target == "Patient":
                yield text


Further = Callable[[Any], Iterator[Json]]


def _patient_codes(kind: str) -> list[str]:
    """The parameters that lead to the patient, in order."""
    codes = patient_compartment().get(kind) or [
        code for code in ("patient", "subject") if _reference_leaves(kind, code)
    ]
    first = _FIRST.get(kind)
    return [first, *(code for code in codes if code != first)] if first in codes else codes


@cache
def _patient_readers(kind: str) -> tuple[tuple[str, Further | None, bool], ...]:
    """For each element: its root key, how to go on from there, and whether an unknown target is the patient."""
    readers: dict[tuple[Step, ...], tuple[str, Further | None, bool]] = {}
    for number, code in enumerate(_patient_codes(kind)):
        for leaf in _reference_leaves(kind, code):
            single = number == 0 and not any(isinstance(step, Field) and step.many for step in leaf.steps)
            readers.setdefault(leaf.steps, (*_reader(leaf.steps), single))
    return tuple(readers.values())


def patient_paths(kind: str) -> frozenset[tuple[Step, ...]]:
    """The paths of the parameter that comes first for :func:`patient_of` in a type; none for Patient itself."""
    codes = _patient_codes(kind) if kind != "Patient" else []
    return frozenset(leaf.steps for code in codes[:1] for leaf in _reference_leaves(kind, code))


def encounter_of(resource: Json, type_of: TypeOf | None = None) -> str | None:
    """The reference to the encounter of ``resource``; an Encounter is its own (``Encounter/<id>``)."""
    kind = resource["resourceType"]
    if kind == "Encounter":
        return f"Encounter/{resource['id']}" if "id" in resource else None
    for key, further in _encounter_readers(kind):
        if (value := resource.get(key)) is None:
            continue
        for found in further(value) if further else (value,):
            text: str | None = found.get("reference")
            if text is None or text[:1] == "#":
                continue
            if text.startswith("Encounter/"):
                return text
            target = read_reference(text)[0]
            if target is None:
                target = type_of(text) if type_of else found.get("type")
                if target is None and not type_of and text.startswith("urn:"):
                    target = "Encounter"
            if target == "Encounter":
                return text
    return None


@cache
def _encounter_readers(kind: str) -> tuple[tuple[str, Further | None], ...]:
    """For each element that leads to an encounter: its root key and how to go on from there."""
    return tuple(_reader(steps) for steps in encounter_paths(kind))


@cache
def encounter_paths(kind: str) -> frozenset[tuple[Step, ...]]:
    """The paths that :func:`encounter_of` reads in a type."""
    found = [leaf.steps for code in ("encounter", "context") for leaf in _reference_leaves(kind, code)]
    own = schema_definitions()[kind]["properties"].get("encounter", {})
    if not found and str(own.get("$ref")).endswith("/Reference"):
        found = [(Field("encounter", many=False),)]
    return frozenset(found)


def _reference_leaves(kind: str, code: str) -> list[Leaf]:
    return [
        leaf
        for parameter in parameters_by_code()[code]
        if kind in parameter["base"] and parameter["type"] == "reference"
        if {"Patient", "Encounter"} & set(parameter.get("target", ()))
        for leaf in leaves(parameter["expression"], kind)
        if leaf.datatype == "Reference"
    ]


def _reader(steps: tuple[Step, ...]) -> tuple[str, Further | None]:
    """The root key of ``steps`` and what goes on from its value; nothing where the value is the end."""
    first = steps[0]
    assert isinstance(first, Field)
    if len(steps) == 1 and not first.many:
        return first.key, None

    def further(value: Any) -> Iterator[Json]:
        return _walk(iter(value) if first.many else iter((value,)), steps[1:])

    return first.key, further


def _walk(values: Iterator[Any], steps: tuple[Step, ...]) -> Iterator[Any]:
    for step in steps:
        values = _step(values, step)
    return values


def _step(values: Iterator[Any], step: Step) -> Iterator[Any]:
    for value in values:
        if isinstance(step, Field):
            if (inner := value.get(step.key)) is not None:
                yield from inner if step.many else (inner,)
        elif isinstance(step, Where) and value.get(step.key) == step.value:
            yield value


def main_date(resource: Json) -> Moment | None:
    """When what ``resource`` tells of took place (else when it was written), with its precision.

    ``None`` where it says nothing, or no day of the calendar. The elements by type are :data:`MAIN_DATES`.
    """
    for path in _date_paths(resource["resourceType"]):
        value: Any = resource
        for key in path:
            value = value.get(key)
            if type(value) is list:
                value = next((item for item in value if item is not None), None)
            if value is None:
                break
        if value is not None and (found := moment(value)) is not None:
            return found
    return None


@cache
def _date_paths(kind: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in MAIN_DATES.get(kind, ()))


def security_codes(resource: Json) -> list[tuple[str | None, str]]:
    """System and code of every security label: ``meta.security``, a DocumentReference's ``securityLabel``, a
    Composition's ``confidentiality``; those of contained resources count for the whole, too."""
    codings: list[Json] = []
    if (meta := resource.get("meta")) is not None:
        codings += meta.get("security", ())
    kind = resource["resourceType"]
    if kind == "DocumentReference":
        for concept in resource.get("securityLabel", ()):
            codings += concept.get("coding", ())
    elif kind == "Composition" and "confidentiality" in resource:
        codings.append({"system": _CONFIDENTIALITY, "code": resource["confidentiality"]})
    found = [(coding.get("system"), coding["code"]) for coding in codings if "code" in coding]
    for inner in resource.get("contained", ()):
        found += security_codes(inner)
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def status_of(resource: Json) -> str | None:
    """The state of ``resource``: its ``status``, or the code of its ``clinicalStatus`` (Condition, allergy)."""
    status = resource.get("status")
    if type(status) is str:
        return status
    for coding in (resource.get("clinicalStatus") or {}).get("coding", ()):
        code: str | None = coding.get("code")
        if code is not None:
            return code
    return None


def is_resource_type(name: str) -> bool:
    """Whether ``name`` is a concrete resource type of R4."""
    return name in resource_types()
