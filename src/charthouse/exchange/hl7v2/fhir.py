"""From a parsed message to a plan of what to file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from charthouse.exchange.times import date_time, moment

from .envelope import Envelope, envelope_of
from .errors import Hl7Error, unsupported
from .mapping import Mapping, Mint
from .message import Message
from .messages import adt, financial, orders, referrals, results, scheduling
from .messages.parts import Part, patient_parts
from .plan import Plan

Handler = Callable[[Mapping, Part], None]


def to_fhir(message: Message, *, zone: ZoneInfo, mint: Mint) -> Plan:
    """What ``message`` asks to be filed.

    ``zone`` is the sender's time zone, for times without offset. ``mint(resource_type, natural_key)`` gives the
    public FHIR id (1 to 64 of ``A-Za-z0-9-.``), the same for the same arguments.

    Raises Unsupported for a kind of message that is not filed, and Hl7Error, with the place, where something that
    filing needs is missing.
    """
    envelope = envelope_of(message)
    handle = _handler(envelope)
    parts = patient_parts(message)
    if not parts:
        raise Hl7Error("The message names no patient: PID is missing.", "PID")
    if envelope.type == "BAR":
        parts = [visit for part in parts for visit in financial.visit_parts(part)]
    plans = [_plan(message, envelope, part, handle, zone, mint) for part in parts]
    first, *others = plans
    return replace(first, others=tuple(others)) if others else first


def _handler(envelope: Envelope) -> Handler:
    """Who maps this kind of message."""
    kind, trigger = envelope.type, envelope.trigger
    match kind:
        case "":
            raise Hl7Error("The message type is missing.", "MSH", 1, 9)
        case "ADT":
            adt.check(trigger)
            return adt.map_part
        case "ORU" | "OUL":
            results.check(kind, trigger)
            return results.map_results
        case "MDM":
            results.check(kind, trigger)
            return results.map_documents
        case "SIU":
            scheduling.check(trigger)
            return scheduling.map_schedule
        case "DFT" | "BAR":
            financial.check(kind, trigger)
            return financial.map_financial
        case "REF":
            referrals.check(kind, trigger)
            return referrals.map_refer
        case "PPR":
            referrals.check(kind, trigger)
            return referrals.map_problems
        case _ if kind in orders.KINDS:
            orders.check(kind, trigger)
            return orders.map_orders
    raise unsupported(kind, trigger)


def _plan(message: Message, envelope: Envelope, part: Part, handle: Handler, zone: ZoneInfo, mint: Mint) -> Plan:
    mapping = Mapping(message, envelope, zone, mint)
    mapping.warnings += message.warnings
    handle(mapping, part)
    return Plan(
        envelope,
        mapping.patient,
        mapping.patient_key,
        list(mapping.drafts.values()),
        mapping.visit,
        mapping.merges,
        mapping.raw_segments,
        mapping.account_key,
        _occurred(mapping),
        mapping.warnings,
        lost=tuple(mapping.lost),
    )


def _occurred(mapping: Mapping) -> datetime | None:
    at = mapping.event_time or date_time(mapping.message.msh.get(7), mapping.zone)
    return moment(at) if at else None
