"""What can be made out of XML that is not well-formed: tags that do not match, an end that is missing.

Only for documents that no parser takes; the rest is read by expat.
"""

from __future__ import annotations

import re
from html import unescape
from xml.etree import ElementTree

_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<verbatim>.*?)(?:\]\]>|\Z)"
    r"|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<![^>]*>"
    r"|</(?P<end>[A-Za-z_][\w.\-]*(?::[\w.\-]+)?)[^<>]*>"
    r"|<(?P<start>[A-Za-z_][\w.\-]*(?::[\w.\-]+)?)(?P<attributes>[^<>]*?)(?P<empty>/?)>"
    r"|(?P<text>[^<]+|<)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([A-Za-z_][\w.:\-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>/]+))""")
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
#: Where an end tag has no beginning this far up, it is left out.
_DEEP = 100
#: As in HTML: what is never closed, and what ends where the next of its kind begins.
_EMPTY = frozenset({"br", "hr", "img", "col"})
_NEVER_WITHIN = frozenset({"paragraph", "p", "td", "th", "tr", "item", "li"})


def salvaged(text: str) -> ElementTree.Element | None:
    """The tree that can be made out of ``text``; None where there is none. Prefixes are taken off, but for sdtc."""
    builder = ElementTree.TreeBuilder()
    opened: list[str] = []
    begun = False
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if begun and not opened:
            break
        if start := token["start"]:
            if len(opened) > _DEEP:
                return None
            name = _name(start)
            if opened and opened[-1] == name and name in _NEVER_WITHIN:
                builder.end(opened.pop())
            builder.start(name, _attributes(token["attributes"]))
            begun = True
            if token["empty"] or name in _EMPTY:
                builder.end(name)
            else:
                opened.append(name)
        elif end := token["end"]:
            name = _name(end)
            if name in opened:
                while opened:
                    last = opened.pop()
                    builder.end(last)
                    if last == name:
                        break
        elif opened and kind == "text":
            builder.data(unescape(token["text"]))
        elif opened and token["verbatim"] is not None:
            builder.data(token["verbatim"])
    if not begun:
        return None
    while opened:
        builder.end(opened.pop())
    return builder.close()


def _name(tag: str) -> str:
    prefix, _, name = tag.rpartition(":")
    return f"sdtc:{name}" if prefix == "sdtc" else name


def _attributes(text: str) -> dict[str, str]:
    found = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        prefix, _, local = name.rpartition(":")
        if prefix == "xmlns" or name == "xmlns":
            continue
        found[_XSI + local if prefix == "xsi" else local] = unescape(double or single or bare)
    return found
