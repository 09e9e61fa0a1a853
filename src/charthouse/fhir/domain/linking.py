"""References of what is written, made to lead to what they mean: names within a bundle, our address, conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from charthouse.exchange.fhir.api import Opened, Rewriter, set_id, unescaped
from charthouse.record.preparing import TYPE_ID

_URI = re.compile(rb'"(\w{1,64})"(\s*:\s*")((?:urn:(?:uuid|oid):)[^"\\]+)(?=")')
_LINK = re.compile(rb"""((?:href|src)\s*=\s*(?:\\"|'))([^"'\\\s]+)""")
#: Elements whose text is what somebody is called, and no address.
_NAMES = frozenset({b"value", b"system", b"id", b"fullUrl", b"reference"})


def conditions_in(opened: Opened) -> set[str]:
    """The conditional references of a resource, such as ``Patient?identifier=…``."""
    found = set()
    for raw in opened.references():
        if b"?" not in raw:
            continue
        try:
            text = unescaped(raw)
        except ValueError:
            continue
        if text.partition("?")[0] in TYPE_ID:
            found.add(text)
    return found


class Linker:
    """Rewrites resources of one request. ``local`` maps the names of a bundle's entries to ``Type/id``, ``met`` the
    conditional references to what they were found to mean."""

    def __init__(self, base: str, local: Mapping[str, str], met: Mapping[str, str]) -> None:
        self._base = f"{base}/"
        self._local = local
        self._met = met
        self._rewriter = Rewriter(self._resolve)
        self._named = {name.encode(): target.encode() for name, target in local.items()}
        self._has_urns = any(name.startswith("urn:") for name in local)

    def link(self, opened: Opened, id: str) -> tuple[bytes, list[str]]:
        """The bytes with their references and the id; and the ``urn:`` references that lead nowhere."""
        content, left = self._rewriter.rewrite(opened)
        if self._has_urns and b'"urn:' in content:
            content = _URI.sub(self._new_uri, content)
        if self._named and (b"href" in content or b"src" in content):
            content = _LINK.sub(self._new_link, content)
        return set_id(content, id), [each for each in left if each.startswith(("urn:uuid:", "urn:oid:"))]

    def _resolve(self, reference: str) -> str | None:
        if found := self._local.get(reference):
            return found
        if found := self._met.get(reference):
            return found
        if reference.startswith(self._base):
            reference = reference[len(self._base) :]
            return self._local.get(reference, reference)
        return None if reference.startswith("urn:") else reference

    def _new_uri(self, match: re.Match[bytes]) -> bytes:
        key, between, old = match.groups()
        new = self._named.get(old) if key not in _NAMES else None
        return b'"%b"%b%b' % (key, between, new or old)

    def _new_link(self, match: re.Match[bytes]) -> bytes:
        return match[1] + self._named.get(match[2], match[2])
