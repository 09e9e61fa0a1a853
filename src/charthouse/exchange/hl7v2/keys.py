"""Natural keys: what stays the same of a thing from one message of a sender to the next."""

from __future__ import annotations

from .message import Message, Segment, Value

NPI_OID = "2.16.840.1.113883.4.6"
_RECORD_NUMBER = ("MR", "MRN", "PI")
_NOT_THE_PATIENT = frozenset({"SS", "DL", "PPN", "AN", "VN", "MC", "MA", "NI", "BC", "CZ", "AND", "ANC"})


def assigner_of(value: Value, component: int) -> str:
    """An HD component in one string: its namespace, or its universal id where no namespace is given."""
    return value.get(component, 1) or value.get(component, 2)


def identifier_key(value: Value, assigner: int = 4) -> str:
    """``assigner|id`` of a CX (or EI, with the assigner's component given); "" without an id."""
    number = value.get(1)
    return f"{assigner_of(value, assigner)}|{number}" if number else ""


def record_number(pid: Segment) -> Value | None:
    """The identifier that names the patient at the sender: of PID-3 the medical record number, else the first.

    Senders of old versions use PID-2 or PID-4 alone.
    """
    first: Value | None = None
    ranks: dict[str, Value] = {}
    for value in pid.values(3):
        if not value.get(1):
            continue
        ranks.setdefault(value.get(5).upper(), value)
        if first is None and value.get(5).upper() not in _NOT_THE_PATIENT:
            first = value
    for kind in _RECORD_NUMBER:
        if kind in ranks:
            return ranks[kind]
    if first is not None:
        return first
    if ranks:
        return next(iter(ranks.values()))
    for field in (2, 4):
        for value in pid.values(field):
            if value.get(1):
                return value
    return None


def patient_keys(message: Message) -> tuple[str, ...]:
    """Every identifier of every patient the message concerns (PID-3, or PID-2), as ``assigner|id``."""
    return _identifiers(message, "PID", (3, 2))


def prior_keys(message: Message) -> tuple[str, ...]:
    """Every prior identifier (MRG-1), as ``assigner|id``."""
    return _identifiers(message, "MRG", (1,))


def _identifiers(message: Message, segment: str, fields: tuple[int, ...]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for each in message.all(segment):
        for field in fields:
            found = [key for value in each.values(field) if (key := identifier_key(value))]
            if found:
                keys.update(dict.fromkeys(found))
                break
    return tuple(keys)


def valid_npi(number: str) -> bool:
    """Whether ``number`` is a National Provider Identifier: ten digits with the Luhn check over prefix 80840.

    Source: 45 CFR 162.406; CMS, "NPI check digit calculation".
    """
    if len(number) != 10 or not number.isascii() or not number.isdigit():
        return False
    total = 24  # the prefix 80840 contributes 24
    for position, digit in enumerate(reversed(number)):
        value = int(digit)
        if position % 2 == 1:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return total % 10 == 0


def normal_name(*parts: str) -> str:
    """Name parts as a key: upper case, single blanks."""
    return "^".join(" ".join(part.upper().split()) for part in parts).rstrip("^")
