"""What a request says of the way it wants to be answered: content types, FHIR's version, Prefer, ETags, dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

from .outcomes import problem

FHIR_JSON = "application/fhir+json"
JSON = "application/json"
PATCH_JSON = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"

_FHIR = frozenset({FHIR_JSON, "application/fhir json", "application/json+fhir"})
_PLAIN = frozenset({JSON, "text/json"})
_ANY = frozenset({"*/*", "application/*"})
_FORMATS = _FHIR | _PLAIN | {"json"}
#: FHIR's version as a parameter of a media type (R4, http, 3.1.0.1.13): publication and major; and what some write.
_SPOKEN = frozenset({"4.0", "4.0.1"})
_VERSION = re.compile(r';\s*fhirVersion\s*=\s*"?([^";,]*)"?', re.IGNORECASE)


def answer_type(accept: str, asked: str | None, also: Sequence[str] = ()) -> str:
    """The content type of the answer: what ``_format`` asks for, else the Accept header; with FHIR's version where
    it was asked for with one. ``also`` are media types the address writes itself; where they are asked for,
    whatever else it says is FHIR in JSON.

    Raises FhirProblem 406 for anything but JSON, and for another version than R4.
    """
    if asked is not None:
        form = asked.partition(";")[0].strip().lower()
        if form not in _FORMATS:
            raise problem(
                406, "_format asks for a form this server does not write. It writes json (application/fhir+json)."
            )
        if not _is_spoken(asked):
            raise problem(406, f"_format asks for another version of FHIR. {_SPEAKS}")
        return _versioned(JSON if form in _PLAIN else FHIR_JSON, asked)
    if not accept:
        return FHIR_JSON
    best, weight, other = "", 0.0, False
    for part in accept.split(","):
        form, _, parameters = part.partition(";")
        form = form.strip().lower()
        if form in _FHIR or form in _ANY or form in also:
            written = FHIR_JSON
        elif form in _PLAIN:
            written = JSON
        else:
            continue
        if not _is_spoken(part):
            other = True
            continue
        quality = _quality(parameters)
        if quality > weight or (quality == weight > 0 and written == FHIR_JSON):
            best, weight = _versioned(written, part), quality
    if best:
        return best
    if other:
        raise problem(406, f"The Accept header asks for another version of FHIR. {_SPEAKS}")
    raise problem(406, f"The Accept header names no form this server writes. Ask for {FHIR_JSON}.")


_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def _quality(parameters: str) -> float:
    """How much a form is wanted, from 0 (not at all) to 1, as RFC 9110 section 12.4.2 weighs it."""
    found = _QUALITY.search(parameters)
    return float(found[1]) if found else 1.0


_SPEAKS = "This server speaks R4: leave fhirVersion out, or say fhirVersion=4.0."


def _is_spoken(form: str) -> bool:
    """Whether a media type asks for no version of FHIR, or for R4."""
    found = _VERSION.search(form)
    return found is None or found[1].strip() in _SPOKEN


def _versioned(written: str, asked: str) -> str:
    return f"{written}; fhirVersion=4.0" if _VERSION.search(asked) else written


def body_type(content_type: str) -> str:
    """The bare media type of a body that was sent, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_fhir(form: str) -> bool:
    """Whether a bare media type is one of FHIR in JSON."""
    return form in _FHIR or form in _PLAIN


def check_resource_type(content_type: str) -> None:
    """Raise FhirProblem 415 for a body that is sent as anything but R4 in JSON; one of no type may be it."""
    form = body_type(content_type)
    if form and not is_fhir(form):
        raise problem(415, f"The body is sent as {form[:80]!r}. Send it as {FHIR_JSON}.")
    if not _is_spoken(content_type):
        raise problem(415, f"The body is sent as another version of FHIR. {_SPEAKS}")


@dataclass(frozen=True, slots=True)
class Preference:
    """What the Prefer header asks for."""

    returned: str = ""
    strict: bool = False
    asynchronous: bool = False


_RETURNED = {"minimal": "minimal", "representation": "representation", "operationoutcome": "OperationOutcome"}


def preference(header: str) -> Preference:
    """Read a Prefer header; what is not known in it is passed over, as RFC 7240 asks."""
    returned, strict, asynchronous = "", False, False
    for part in re.split("[,;]", header):
        name, _, value = part.strip().partition("=")
        name, value = name.strip().lower(), value.strip().strip('"').lower()
        if name == "return":
            returned = _RETURNED.get(value, returned)
        elif name == "handling":
            strict = value == "strict"
        elif name == "respond-async":
            asynchronous = True
    return Preference(returned, strict, asynchronous)


_ETAG = re.compile(r'(?:W/)?"([A-Za-z0-9\-.]{1,64})"')
_ETAGS = re.compile(rf"{_ETAG.pattern}(?:\s*,\s*{_ETAG.pattern})*")


#: What If-Match ``*`` asks for: whichever version stands, as intake takes it.
ANY = -1


def if_match(header: str | None, place: str = "If-Match") -> tuple[int, ...] | None:
    """The versions an If-Match header (or an entry's ``ifMatch``) names; None for none, :data:`ANY` for ``*``.

    ETags of FHIR are weak, so weak and strong ones are compared alike (R4, http, 3.1.0.5). Raises FhirProblem 400
    for a header that is malformed. A version that cannot be one of ours is 0: it never matches.
    """
    if header is None or not header.strip():
        return None
    if header.strip() == "*":
        return (ANY,)
    if _ETAGS.fullmatch(header.strip()) is None:
        raise problem(400, f'{place} is not an ETag. Write W/"n", where n is the version you read.')
    return tuple(
        int(each) if each.isascii() and each.isdecimal() and len(each) < 10 else 0 for each in _ETAG.findall(header)
    )


def is_among(header: str | None, version: int) -> bool:
    """Whether an If-None-Match header names this version."""
    if not header:
        return False
    return header.strip() == "*" or str(version) in _ETAG.findall(header)


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'W/"{version}"'


def http_date(at: datetime) -> str:
    """An instant as HTTP writes it, in whole seconds."""
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)


def read_http_date(header: str | None) -> datetime | None:
    """The instant in a date header; None for none and for what is no date."""
    if not header:
        return None
    try:
        found = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def instant(at: datetime) -> str:
    """An instant as FHIR writes it, in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
