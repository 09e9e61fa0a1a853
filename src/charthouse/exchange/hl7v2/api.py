"""HL7 v2 for the layers above: read, acknowledge, split, and map to FHIR R4.

    message = parse(data)
    plan = to_fhir(message, zone=ZoneInfo("America/Chicago"), mint=mint)

A ``Plan`` holds the drafts to file, what happens to the visit, merges, and the financial segments as sent.
"""

from __future__ import annotations

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.times import moment

from .ack import AckCode, ack
from .batch import split_batch
from .encoding import Encoding
from .envelope import Envelope, envelope_of, peek
from .errors import FramingError, Hl7Error, Unsupported
from .fhir import to_fhir
from .limits import DEFAULT_LIMITS, Limits
from .merging import merge_partial, merge_patient
from .message import Message, Segment, Value, parse
from .mllp import Deframer, frame
from .plan import SERVICE_HISTORY, Effect, Merge, Participant, Place, Plan, RawSegment, VisitChange

__all__ = [
    "DEFAULT_LIMITS",
    "SERVICE_HISTORY",
    "AckCode",
    "Deframer",
    "Draft",
    "Effect",
    "Encoding",
    "Envelope",
    "FramingError",
    "Hl7Error",
    "Limits",
    "Merge",
    "Message",
    "Mode",
    "Participant",
    "Place",
    "Plan",
    "RawSegment",
    "Segment",
    "Unsupported",
    "Value",
    "VisitChange",
    "ack",
    "envelope_of",
    "frame",
    "merge_partial",
    "merge_patient",
    "moment",
    "parse",
    "peek",
    "split_batch",
    "to_fhir",
]
