"""The state of converting one document: ids, drafts, people, and what became of each section."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import orjson

from charthouse.exchange.drafts import Draft, Mode
from charthouse.exchange.fhir.api import is_valid, validate
from charthouse.exchange.hl7v2.keys import normal_name, valid_npi

from .narrative import named, plain
from .sections import Section
from .systems import NPI
from .tree import Element
from .values import (
    absent_reason,
    addresses,
    coding_of,
    codings_of,
    display_name,
    human_name,
    identifiers,
    identity,
    interval_of,
    said,
    telecoms,
    time_of,
)

Json = dict[str, Any]
Mint = Callable[[str, str], str]
Part = TypeVar("Part")
_NPI_ROOT = "2.16.840.1.113883.4.6"
_MOST_REASONS = 20


@dataclass(slots=True)
class SectionReport:
    """What became of a section: how many entries it has, how many of them were read, what they made, and why the
    others are kept as text only."""

    number: int
    title: str
    code: str
    kind: str
    entries: int = 0
    read: int = 0
    narrative: bool = False
    nothing: bool = False
    """Whether the section says by its nullFlavor that there is no information."""
    types: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """``read``, ``partly``, ``text`` (its text alone is kept) or ``empty`` (it says nothing)."""
        if self.read:
            return "read" if not self.reasons else "partly"
        if self.nothing and not self.entries:
            return "empty"
        return "text" if self.narrative or self.entries else "empty"


class NotCoded(Exception):
    """An entry that says nothing that could be filed as data, and why. The document is not at fault."""


class Mapping:
    """Collects what one document asks for. Used once, by one call of ``to_fhir``."""

    def __init__(self, root: Element, zone: ZoneInfo, mint: Mint) -> None:
        self.root = root
        self.zone = zone
        self.mint = mint
        self.drafts: dict[tuple[str, str], Draft] = {}
        self.reports: list[SectionReport] = []
        self.faults: list[tuple[str, str]] = []
        """(place, reason) of what is broken in the document and should be looked at by a person."""
        self.patient_key = ""
        self.patient: Json = {}
        self.encounter: Json | None = None
        self.security: list[Json] = []
        self.author: Element | None = None
        self.place = ""
        self.within = ""
        """The place of the document in what it came with, before each place in it."""
        self.section: Section | None = None
        self.report: SectionReport | None = None
        self.entry_security: list[Json] = []
        self.within_security: list[Json] = []
        """The labels of any of the document's sections, which the document as a whole has, too."""
        self._named: dict[str, Element] | None = None
        self._people: dict[tuple[object, ...], Json | None] = {}

    # Drafts

    def put(
        self,
        kind: str,
        key: str,
        elements: Json,
        *,
        mode: Mode = "snapshot",
        directory: bool = False,
    ) -> Json | None:
        """File a resource and give the Reference to it; None, with the reason noted, where it would not be valid.

        The same key twice: the same content is one resource, other content another, since documents give one id to
        several things. What is shared, and what is filed in parts, is filled instead.
        """
        known = self.drafts.get((kind, key))
        if known is not None and (directory or (mode == "partial" and _agree(known.resource, elements))):
            for name, value in elements.items():
                known.resource.setdefault(name, value)
            return {"reference": known.reference}
        resource: Json = {"resourceType": kind, "id": self.mint(kind, key), **elements}
        if not directory and kind != "Patient" and (self.security or self.entry_security):
            # How confidential a document is says nothing of how secret it is that there is such a patient.
            labels = [*self.security, *(each for each in self.entry_security if each not in self.security)]
            resource["meta"] = {**resource.get("meta", {}), "security": labels}
        if known is not None:
            content = orjson.dumps(resource)
            if orjson.dumps(known.resource) == content:
                return {"reference": known.reference}
            mark = hashlib.blake2b(content, digest_size=8).hexdigest()
            return self.put(kind, f"{key}#{mark}", elements, mode=mode)
        # A number that keeps its digits is one to the validator only when it is read again.
        valid = is_valid(resource) or is_valid(orjson.loads(orjson.dumps(resource)))
        if not valid:
            problem = validate(orjson.loads(orjson.dumps(resource)))[0]
            self.fault(f"The {kind} made of it would not be valid: {problem.message} ({problem.path})")
            return None
        draft = Draft(kind, key, resource, mode, self.within + self.place, directory)
        self.drafts[kind, key] = draft
        if self.report is not None and not directory:
            self.report.types[kind] += 1
        return {"reference": draft.reference}

    def key(self, statement: Element, within: str = "") -> str:
        """The natural key of an entry: its id within its patient's, else what it says."""
        own = identity(statement.findall("id"))
        if not own:
            # As bytes made at once, not letter group by letter group as ElementTree encodes.
            content = ElementTree.tostring(statement, encoding="unicode").encode("ascii", "xmlcharrefreplace")
            own = "content:" + hashlib.blake2b(content, digest_size=12).hexdigest()
        return f"{self.patient_key}/{own}{within}"

    def each_of(self, statements: Iterable[Part], act: Callable[[Part], bool]) -> bool:
        """Do ``act`` of each statement within an entry; whether one was read. What cannot be read is noted and
        costs the others nothing; where none was read, the first reason is the entry's."""
        done = False
        first: NotCoded | None = None
        for each in statements:
            try:
                done = act(each) or done
            except NotCoded as error:
                first = first or error
                self.note(str(error))
        if first is not None and not done:
            raise first
        return done

    # Words about the document

    def fault(self, reason: str) -> None:
        """Something is broken here: it is named in the report and to a person."""
        if len(self.faults) < 200:
            self.faults.append((self.within + self.place, reason))
        self.note(reason)

    def note(self, reason: str) -> None:
        """Why something of the section at hand is kept as text only."""
        report = self.report
        if report is not None and reason not in report.reasons and len(report.reasons) < _MOST_REASONS:
            report.reasons.append(reason)

    # Text

    def text(self, element: Element | None) -> str:
        """The text of an ED or ST: what it holds, or what it points at in the narrative."""
        if element is None:
            return ""
        reference = element.find("reference")
        if reference is not None and (value := (reference.get("value") or "").strip()):
            target = self._find(value.lstrip("#"))
            if target is not None:
                return plain(target)
        return plain(element) if len(element) else said(element.text)

    def _find(self, name: str) -> Element | None:
        if self._named is None:
            self._named = {}
            for section in self.root.iter("section"):
                for key, value in named(section.find("text")).items():
                    self._named.setdefault(key, value)
        return self._named.get(name)

    def words_of(self, statement: Element) -> str:
        """The text of a statement as a whole."""
        return self.text(statement.find("text"))

    def concept(self, element: Element | None, fallback: str = "") -> Json | None:
        """A CD or CE as CodeableConcept, with what the author wrote as its text; None where it says nothing."""
        if element is None:
            return {"text": fallback} if fallback else None
        found: Json = {}
        words = ""
        if len(element):
            codings = codings_of(element)
            original = element.find("originalText")
            if original is not None:
                words = self.text(original)
        else:
            own = coding_of(element)
            codings = [own] if own else []
        if codings:
            found["coding"] = codings
        words = words or said(element.get("displayName")) or fallback
        if not words and not codings:
            words = said(element.text)
        if words:
            found["text"] = said(words)
        return found or None

    def known_or_absent(self, element: Element | None, fallback: str = "") -> Json:
        """As :meth:`concept`; what is unknown says why it is."""
        found = self.concept(element, fallback)
        if found:
            return found
        return absent_reason(element.get("nullFlavor") if element is not None else None)

    # Times

    def time(self, element: Element | None) -> str | None:
        """A TS."""
        return time_of(element, self.zone)

    def choice(self, name: str, element: Element | None) -> Json:
        """An IVL_TS as ``nameDateTime`` or ``namePeriod``; empty where it says no time."""
        if element is None:
            return {}
        point, low, high = interval_of(element, self.zone)
        if point or (low and low == high):
            return {f"{name}DateTime": point or low}
        period = {end: at for end, at in (("start", low), ("end", high)) if at}
        return {f"{name}Period": period} if period else {}

    # People

    def practitioner(self, role: Element | None) -> Json | None:
        """An assignedAuthor, assignedEntity … as Reference to a Practitioner, filed along; to an Organization
        where it is no person. None where it names nobody."""
        if role is None:
            return None
        # The same people stand at entry after entry; who says the same of themselves is read once.
        said_so = (
            *((each.get("root"), each.get("extension")) for each in role.findall("id")),
            "".join(role.itertext()),
        )
        if said_so not in self._people:
            self._people[said_so] = self._practitioner(role)
        return self._people[said_so]

    def _practitioner(self, role: Element) -> Json | None:
        person = next((each for name in _PERSONS if (each := role.find(name)) is not None), None)
        name = None
        if person is not None:
            written = person.find("name")
            name = human_name(written, self.zone) if written is not None else None
        if person is None and (organization := self.organization(role.find("representedOrganization"))):
            return organization
        ids = role.findall("id")
        numbers = [each for each in identifiers(ids) if each.get("value")]
        npi = next(
            (each["value"] for each in numbers if each.get("system") == NPI and valid_npi(each["value"])), None
        )
        if name is None and person is None and role.find("assignedAuthoringDevice") is not None:
            return self._device(role)
        if name is None and not numbers:
            return None
        own = identity(ids)
        if npi:
            key = f"npi:{npi}"
        elif own and name:
            # Documents give several people one number; together with the name it tells them apart.
            key = f"{own}/{normal_name(display_name(name))}"
        else:
            key = own or "name:" + normal_name(display_name(name))
        if known_already := self._known("Practitioner", key, display_name(name)):
            return known_already
        elements: Json = {}
        if numbers:
            elements["identifier"] = numbers
        if name:
            elements["name"] = [name]
        for element, values in (("telecom", telecoms(role, self.zone)), ("address", addresses(role, self.zone))):
            if values:
                elements[element] = values
        specialty = role.find("code")
        if specialty is not None and (what := self.concept(specialty)):
            elements["qualification"] = [{"code": what}]
        return self._named_reference("Practitioner", key, elements, display_name(name))

    def _device(self, role: Element) -> Json | None:
        device = role.find("assignedAuthoringDevice")
        assert device is not None
        words = said(device.findtext("manufacturerModelName")) or said(device.findtext("softwareName"))
        return {"display": words} if words else None

    def organization(self, element: Element | None, name: str = "name") -> Json | None:
        """An Organization as Reference, filed along; None where it names none."""
        if element is None:
            return None
        words = said("".join(element.find(name).itertext())) if element.find(name) is not None else ""  # type: ignore[union-attr]
        ids = element.findall("id")
        numbers = identifiers(ids)
        if not words and not numbers:
            return None
        npi = next(
            (each["value"] for each in numbers if each.get("system") == NPI and valid_npi(each["value"])), None
        )
        own = identity(ids)
        key = f"npi:{npi}" if npi else f"{own}/{normal_name(words)}" if own else "name:" + normal_name(words)
        if known_already := self._known("Organization", key, words):
            return known_already
        elements: Json = {}
        if numbers:
            elements["identifier"] = numbers
        if words:
            elements["name"] = words
        for at, values in (("telecom", telecoms(element, self.zone)), ("address", addresses(element, self.zone))):
            if values:
                elements[at] = [dict(each) for each in values]
        for each in elements.get("address", ()):
            if each.get("use") == "home":
                del each["use"]
        for each in elements.get("telecom", ()):
            if each.get("use") == "home":
                del each["use"]
        return self._named_reference("Organization", key, elements, words)

    def location(self, element: Element | None) -> Json | None:
        """A participantRole or healthCareFacility as Reference to a Location, filed along."""
        if element is None:
            return None
        place = element.find("playingEntity")
        if place is None:
            place = element.find("location")
        words = said(place.findtext("name")) if place is not None else ""
        kind = self.concept(element.find("code"))
        own = identity(element.findall("id"))
        if not words:
            words = (kind or {}).get("text") or next(
                (each["display"] for each in (kind or {}).get("coding", ()) if "display" in each), ""
            )
        if not words and not own:
            return None
        key = f"{own}/{normal_name(words)}" if own else "name:" + normal_name(words)
        elements: Json = {"status": "active", "mode": "instance"}
        if numbers := identifiers(element.findall("id")):
            elements["identifier"] = numbers
        if words:
            elements["name"] = words
        if kind:
            elements["type"] = [kind]
        where = addresses(element, self.zone) or (addresses(place, self.zone) if place is not None else [])
        if where:
            elements["address"] = where[0]
        if phones := telecoms(element, self.zone):
            elements["telecom"] = phones
        keeper = element.find("serviceProviderOrganization")
        if keeper is not None and (reference := self.organization(keeper)):
            elements["managingOrganization"] = reference
        return self._named_reference("Location", key, elements, words)

    def _known(self, kind: str, key: str, words: str) -> Json | None:
        """The Reference to somebody of whom the document has said everything already."""
        draft = self.drafts.get((kind, key))
        if draft is None or not draft.resource.keys() >= _TOLD:
            return None
        return {"reference": draft.reference, "display": words} if words else {"reference": draft.reference}

    def _named_reference(self, kind: str, key: str, elements: Json, words: str) -> Json | None:
        with self.outside_section():
            reference = self.put(kind, key, elements, mode="partial", directory=True)
        if reference is None:
            return {"display": words} if words else None
        return {**reference, "display": words} if words else reference

    @contextmanager
    def outside_section(self) -> Iterator[None]:
        """What is shared does not count to the section that mentions it."""
        report, self.report = self.report, None
        try:
            yield
        finally:
            self.report = report

    def performers(self, statement: Element, name: str = "performer") -> list[Json]:
        """Those who did it, each once."""
        found: list[Json] = []
        for each in statement.findall(name):
            role = each.find("assignedEntity")
            who = self.practitioner(role if role is not None else each.find("assignedAuthor"))
            if who and who not in found:
                found.append(who)
        return found

    def written(self, *statements: Element) -> tuple[str | None, Json | None]:
        """When, and by whom, the first of the statements that says it was written down."""
        at: str | None = None
        by: Json | None = None
        for statement in statements:
            for author in statement.findall("author"):
                at = at or self.time(author.find("time"))
                by = by or self.practitioner(author.find("assignedAuthor"))
        return at, by

    # Parts of entries

    def related(self, statement: Element, *kinds: str) -> Iterator[Element]:
        """The statements within a statement, of these type codes (all where none is given)."""
        for each in statement.findall("entryRelationship"):
            if not kinds or each.get("typeCode") in kinds:
                yield from each

    def comments(self, *statements: Element) -> list[Json]:
        """Comment activities (and annotations that are like them) as notes."""
        found: list[Json] = []
        for statement in statements:
            for each in self.related(statement):
                code = each.find("code")
                if each.tag == "act" and code is not None and code.get("code") == "48767-8":
                    words = self.words_of(each) or said(each.findtext("text"))
                    if words and {"text": words} not in found:
                        found.append({"text": words})
        return found

    def indication(self, statement: Element) -> list[Json]:
        """Why it was done: the values of its indications."""
        found = []
        for each in self.related(statement, "RSON"):
            value = each.find("value")
            if each.tag == "observation" and value is not None and (why := self.concept(value)):
                found.append(why)
        return found

    def put_entry(
        self, kind: str, statement: Element, elements: Json, within: str = "", mode: Mode = "snapshot"
    ) -> Json | None:
        """File what one statement comes to."""
        if found := identifiers(statement.findall("id")):
            elements["identifier"] = found
        return self.put(kind, self.key(statement, within), elements, mode=mode)


def _agree(known: Json, elements: Json) -> bool:
    """Whether two descriptions under one number may be of one thing: they name no different days or kinds."""
    for name in ("period", "type"):
        held, said_now = known.get(name), elements.get(name)
        if held and said_now:
            if name == "period":
                start, other = str(held.get("start", ""))[:10], str(said_now.get("start", ""))[:10]
                if start and other and not (start.startswith(other) or other.startswith(start)):
                    return False
            elif _type_codes(held) and _type_codes(said_now) and not _type_codes(held) & _type_codes(said_now):
                return False
    return True


def _type_codes(held: object) -> set[str]:
    return {
        str(coding.get("code"))
        for concept in (held if isinstance(held, list) else [])
        for coding in concept.get("coding", ())
    }


_TOLD = frozenset({"name", "telecom", "address"})
_PERSONS = (
    "assignedPerson",
    "informationRecipient",
    "relatedPerson",
    "associatedPerson",
    "guardianPerson",
    "playingEntity",
)


@lru_cache(maxsize=4096)
def instant_of(fhir: str) -> str | None:
    """A dateTime as instant; None for a bare date."""
    return fhir if len(fhir) > 10 else None


def templates(statement: Element) -> set[str]:
    """The templates a statement says it keeps to."""
    return {root.strip() for each in statement.findall("templateId") if (root := each.get("root"))}


def code_of(statement: Element) -> str:
    """The code of a statement, empty where it has none."""
    coded = statement.find("code")
    return ((coded.get("code") if coded is not None else "") or "").strip()


def status_of(statement: Element) -> str:
    """The statusCode of a statement in small letters, empty where it has none."""
    coded = statement.find("statusCode")
    return ((coded.get("code") if coded is not None else "") or "").strip().lower()


def negated(statement: Element) -> bool:
    """Whether a statement says that something is not so."""
    return (statement.get("negationInd") or "").strip().lower() in ("true", "1")


def without_empty(elements: Iterable[tuple[str, Any]]) -> Json:
    """A resource's elements without those that say nothing."""
    return {name: value for name, value in elements if value or (value is not None and value not in _NOTHING)}


_NOTHING: tuple[Any, ...] = ("", [], {})
