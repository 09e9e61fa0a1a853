"""The synthetic hospital: what upper layers may use of it."""

from __future__ import annotations

from . import sending as sending
from .domain.hl7 import address, hl7_minute, hl7_time, message, npi_of, person_name, phone, segment, text
from .domain.outgoing import Outgoing, Way
from .domain.panels import Analyte, Panel, Strict, bounds, flag, panels, printed, unit
from .permitted import require_demonstration

__all__ = [
    "Analyte", "Outgoing", "Panel", "Strict", "Way", "address", "bounds", "flag", "hl7_minute", "hl7_time",
    "message", "npi_of", "panels", "person_name", "phone", "printed", "require_demonstration", "segment", "sending",
    "text", "unit",
]  # fmt: skip
