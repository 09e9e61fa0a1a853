"""Values of a search, read by the kind of their parameter: escapes, prefixes, precision."""

from __future__ import annotations

import re
from collections.abc import Callable

from charthouse.exchange.fhir.api import (
    Parameter,
    clip,
    fold,
    implicit_range,
    instant_range,
    is_resource_type,
    read_reference,
    resource_types,
)
from charthouse.foundation.clock import now

from .errors import SearchError
from .terms import (
    DateValue,
    IdentifierValue,
    Modifier,
    NumberValue,
    Prefix,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    TypedIdentifier,
    UriValue,
    Value,
)

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_TENTH = 10


def split_escaped(text: str, mark: str, most: int = -1) -> list[str]:
    """``text`` at every ``mark`` that no backslash stands before; at most ``most`` cuts. Escapes stay."""
    parts, begun, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == mark and most != 0:
            parts.append(text[begun:at])
            begun = at + 1
            most -= 1
        at += 1
    parts.append(text[begun:])
    return parts


def unescape(text: str) -> str:
    r"""``text`` without the backslashes of ``\,`` ``\|`` ``\$`` and ``\\``; another backslash is itself."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    """``text`` as one value, whatever is in it."""
    return re.sub(r"([,|$\\])", r"\\\1", text)


class Reader:
    """Reads the values of one use of a parameter; raises SearchError naming it."""

    def __init__(
        self, name: str, parameter: Parameter, modifier: Modifier | None = None, only: str = "", base: str = ""
    ) -> None:
        self._name = name
        self._base = base
        self._parameter = parameter
        self._modifier = modifier
        self._only = only

    def read(self, text: str) -> Value:
        """One value, its escapes still in it."""
        if self._modifier is Modifier.IDENTIFIER:
            return self._identifier(text)
        if self._modifier is Modifier.OF_TYPE:
            return self._of_type(text)
        if self._modifier is Modifier.TEXT:
            return self._string(text)
        return _READERS[self._parameter.kind](self, text)

    def _wrong(self, what: str, remedy: str) -> SearchError:
        return SearchError(self._name, "value", what, remedy)

    def _token(self, text: str) -> TokenValue:
        before, *after = split_escaped(text, "|", 1)
        if not after:
            return TokenValue(None, clip(unescape(before)))
        system, code = clip(unescape(before)), clip(unescape(after[0]))
        if not system and not code:
            raise self._wrong("it has neither a system nor a code", "Give system|code, |code, system| or code")
        if system in self._parameter.systems:
            # Elements of type code say no system; it is the one they are bound to.
            return TokenValue("", code or None)
        return TokenValue(system, code or None)

    def _of_type(self, text: str) -> TypedIdentifier:
        parts = [clip(unescape(part)) for part in split_escaped(text, "|")]
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise self._wrong(
                "it does not have three parts", "Give the type's system|its code|the identifier's value"
            )
        return TypedIdentifier(parts[0] or None, parts[1], parts[2])

    def _string(self, text: str) -> StringValue:
        written = unescape(text)
        folded = fold(written)
        if not folded:
            raise self._wrong("it has no letter and no digit to compare", "Give at least one of them")
        return StringValue(written, folded)

    def _date(self, text: str) -> DateValue:
        prefix, rest = self._prefix(text)
        # A plus sign that was not encoded in a URL arrives as a space.
        found = instant_range(rest.replace(" ", "+"))
        if found is None:
            raise self._wrong(
                "it is no date of the calendar",
                "Give YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz, with a prefix such as ge if meant",
            )
        low, high = found
        if prefix is Prefix.AP:
            margin = abs(int(now().timestamp() * 1_000_000) - low) // _TENTH
            low, high = low - margin, high + margin
        return DateValue(prefix, low, high)

    def _number(self, text: str) -> NumberValue:
        prefix, rest = self._prefix(text)
        found = implicit_range(rest) if _NUMBER.fullmatch(rest) else None
        if found is None:
            raise self._wrong(
                "it is no number", "Give digits with a point, such as 5.4, after a prefix if one is meant"
            )
        exact = float(rest)
        if prefix is Prefix.AP:
            margin = abs(exact) / _TENTH
            found = exact - margin, exact + margin
        return NumberValue(prefix, exact, *found)

    def _quantity(self, text: str) -> QuantityValue:
        number, *unit = split_escaped(text, "|")
        if len(unit) > 2:
            raise self._wrong(
                "it has more than three parts", "Give number|system|code, and write a bar in them as \\|"
            )
        system, code = (*map(unescape, unit), "", "")[:2]
        return QuantityValue(self._number(number), clip(system) or None, clip(code) or None)

    def _uri(self, text: str) -> UriValue:
        return UriValue(clip(unescape(text)))

    def _reference(self, text: str) -> ReferenceValue:
        written = unescape(text)
        if self._base and written.startswith(self._base):
            written = written[len(self._base) :]
        kind, number, url = read_reference(written)
        if kind and number and not url:
            if self._only and kind != self._only:
                raise self._wrong(
                    "its type is not the one in the parameter's name", "Give the type only once, or the same twice"
                )
            return ReferenceValue(((kind, number),))
        if url is not None and (":" in written or not _ID.fullmatch(written)):
            return ReferenceValue((), clip(url), kind)
        targets = (self._only,) if self._only else self._parameter.targets
        if not targets or "Resource" in targets:
            targets = tuple(sorted(resource_types()))
        return ReferenceValue(tuple((target, written) for target in targets))

    def _identifier(self, text: str) -> IdentifierValue:
        system, *value = split_escaped(text, "|", 1)
        if not value or not value[0]:
            raise self._wrong("it names no system", "Give system|value, or |value for an identifier without system")
        return IdentifierValue(unescape(system), unescape(value[0]))

    def _prefix(self, text: str) -> tuple[Prefix, str]:
        match = _PREFIXED.fullmatch(unescape(text))
        assert match is not None  # the pattern takes any text
        return Prefix(match[1] or "eq"), match[2]


_READERS: dict[str, Callable[[Reader, str], Value]] = {
    "token": Reader._token,
    "string": Reader._string,
    "date": Reader._date,
    "number": Reader._number,
    "quantity": Reader._quantity,
    "uri": Reader._uri,
    "reference": Reader._reference,
}


def is_id(text: str) -> bool:
    """Whether ``text`` can be a resource's id."""
    return bool(_ID.fullmatch(text))


def is_type(text: str) -> bool:
    """Whether ``text`` is a concrete resource type."""
    return is_resource_type(text)
