"""The narrative block of a section: as plain text, and as HTML that is safe on a screen.

The HTML is put together anew from a fixed set of tags; of what the document wrote only text, spans of cells and
images that the document itself holds come through. There is no attribute in it that could load or run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape, unescape

from .salvage import salvaged
from .tree import Element
from .values import written

_SIMPLE = {
    "sub": "sub", "sup": "sup", "b": "strong", "strong": "strong", "i": "em", "em": "em", "u": "u", "p": "p",
    "paragraph": "p", "div": "div", "h1": "h4", "h2": "h4", "h3": "h4", "h4": "h4", "h5": "h5", "h6": "h6",
    "footnote": "small", "blockquote": "blockquote", "pre": "pre",
}  # fmt: skip
_STYLES = {"bold": "strong", "italics": "em", "emphasis": "em", "underline": "u"}
_BLOCKS = frozenset(
    {"paragraph", "p", "div", "table", "tr", "list", "item", "ul", "ol", "li", "caption", "br", "h1", "h2", "h3",
     "h4", "h5", "h6", "thead", "tbody", "tfoot", "blockquote", "pre"}
)  # fmt: skip
_NO_WORDS = (_BLOCKS | {"td", "th"}) - {"br"}
_LISTS = frozenset({"list", "ul", "ol"})
_ROWS = frozenset({"thead", "tbody", "tfoot"})
_HIDDEN = frozenset({"script", "style", "object", "embed", "iframe"})
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MOST_SPANNED = 60


def plain(element: Element | None) -> str:
    """What an element of the narrative says, a line a block, the cells of a row parted by ``|``."""
    if element is None:
        return ""
    if not len(element):
        return " ".join(written(element.text).split())
    text = "".join(_pieces(element))
    return _BLANK_LINES.sub("\n", "\n".join(" ".join(line.split()) for line in written(text).split("\n"))).strip()


def says(element: Element | None) -> bool:
    """Whether there is any text in an element."""
    return element is not None and any(not text.isspace() for text in element.itertext())


def _pieces(element: Element) -> Iterator[str]:
    # Line ends of the document are no more than blanks; those between blocks are made here.
    if element.text:
        yield element.text.replace("\n", " ").replace("\r", " ")
    first = True
    for each in element:
        tag = each.tag
        if tag in _HIDDEN:
            continue
        if tag in _BLOCKS:
            yield "\n"
        elif tag in ("td", "th"):
            if not first:
                yield " | "
            first = False
        yield from _pieces(each)
        if tag in _BLOCKS:
            yield "\n"
        if each.tail and not (tag in ("td", "th", "tr") and not each.tail.strip()):
            yield each.tail.replace("\n", " ").replace("\r", " ")


def named(element: Element | None) -> dict[str, Element]:
    """The parts of a narrative that entries may point at, by their ID."""
    if element is None:
        return {}
    found: dict[str, Element] = {}
    for each in element.iter():
        # Not by ``attrib``, which makes a dictionary of nothing for each element without one.
        if name := each.get("ID") or each.get("id") or each.get("Id"):
            found.setdefault(name.strip(), each)
    return found


def html(element: Element | None, images: Mapping[str, Element] | None = None) -> str:
    """A section's text as HTML. ``images`` are the document's observationMedia by their ID."""
    if element is None:
        return ""
    if not len(element) and element.text and _MARKUP.search(element.text):
        # Some write the text as HTML within it, and not as what it is.
        made = salvaged(f"<text>{element.text}</text>")
        element = element if made is None else made
    found = "".join(_inner(element, images or {}))
    return found if _says(found) else ""


def _says(found: str) -> bool:
    return "<img" in found or bool(_TAG.sub("", found).strip())


def _inner(element: Element, images: Mapping[str, Element]) -> Iterator[str]:
    if element.text:
        yield escape(element.text)
    for each in element:
        yield from _outer(each, images)
        if each.tail:
            yield escape(each.tail)


def _outer(element: Element, images: Mapping[str, Element]) -> Iterator[str]:
    tag = element.tag
    if tag in _HIDDEN:
        return
    if tag == "table":
        yield _whole(element, "".join(_table(element, images)))
    elif tag in _LISTS:
        yield _whole(element, "".join(_list(element, images)))
    elif tag == "br":
        yield "<br>"
        yield from _inner(element, images)
    elif tag == "content":
        around = [
            name for style in (element.get("styleCode") or "").lower().split() if (name := _STYLES.get(style))
        ]
        yield "".join(f"<{name}>" for name in around)
        yield from _inner(element, images)
        yield "".join(f"</{name}>" for name in reversed(around))
    elif tag == "caption":
        yield "<p><strong>"
        yield from _inline(element, images)
        yield "</strong></p>"
    elif tag == "renderMultiMedia":
        for name in (element.get("referencedObject") or "").split():
            yield _image(images.get(name), name)
        yield from _inner(element, images)
    elif tag in ("tr", "td", "th", *_ROWS, "item", "li"):
        # Outside of its table or list: what it says stays.
        yield "<p>"
        yield from _inline(element, images)
        yield "</p>"
    elif name := _SIMPLE.get(tag):
        yield f"<{name}>"
        yield from (_inline if name == "p" or name[0] == "h" else _inner)(element, images)
        yield f"</{name}>"
    else:
        yield from _inner(element, images)


def _whole(element: Element, found: str) -> str:
    """The HTML of a table or list; where something in it stood where nothing may stand, all of its text follows."""
    if len(_letters(unescape(_TAG.sub("", found)))) >= len(_letters("".join(_shown(element)))):
        return found
    return f"{found}<p>{escape(plain(element)).replace(chr(10), '<br>')}</p>"


_MARKUP = re.compile(r"</(?:table|p|div|ul|ol|li|b|span|paragraph|list|content)\s*>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def _letters(text: str) -> str:
    return "".join(text.split())


def _shown(element: Element) -> Iterator[str]:
    """The text of an element without that of what is never shown."""
    yield element.text or ""
    for each in element:
        if each.tag not in _HIDDEN:
            yield from _shown(each)
        yield each.tail or ""


def _inline(element: Element, images: Mapping[str, Element]) -> Iterator[str]:
    """The inside of a paragraph; where it holds blocks, they follow each other without its tag."""
    if any(each.tag in _NO_WORDS for each in element.iter() if each is not element):
        yield escape(plain(element)).replace("\n", "<br>")
    else:
        yield from _inner(element, images)


def _list(element: Element, images: Mapping[str, Element]) -> Iterator[str]:
    items = [each for each in element if each.tag in ("item", "li", *_LISTS)]
    caption = element.find("caption")
    if caption is not None:
        yield from _outer(caption, images)
    if not items:
        yield from _inner(element, images)
        return
    name = "ol" if element.tag == "ol" or (element.get("listType") or "").lower() == "ordered" else "ul"
    yield f"<{name}>"
    for each in items:
        yield "<li>"
        yield from _outer(each, images) if each.tag in _LISTS else _inner(each, images)
        yield "</li>"
    yield f"</{name}>"


def _table(element: Element, images: Mapping[str, Element]) -> Iterator[str]:
    rows = list(element.iter("tr"))
    inner = {id(row) for table in element.iter("table") if table is not element for row in table.iter("tr")}
    head = {id(row) for each in element.findall("thead") for row in each.iter("tr")}
    yield "<table>"
    caption = element.find("caption")
    if caption is not None and (text := plain(caption)):
        yield f"<caption>{escape(text)}</caption>"
    for row in rows:
        if id(row) in inner:
            continue
        yield "<tr>"
        for cell in row:
            if cell.tag not in ("td", "th"):
                continue
            inside = "".join(_inner(cell, images))
            # A heading that says nothing is none.
            name = cell.tag if cell.tag == "td" or _says(inside) else "td"
            scope = ' scope="col"' if name == "th" and id(row) in head else ' scope="row"' if name == "th" else ""
            yield f"<{name}{scope}{_span(cell, 'colspan')}{_span(cell, 'rowspan')}>{inside}</{name}>"
        yield "</tr>"
    yield "</table>"


def _span(cell: Element, name: str) -> str:
    given = (cell.get(name) or "").strip()
    if not (given.isascii() and given.isdigit()) or int(given[:6]) < 2:
        return ""
    return f' {name}="{min(int(given[:6]), _MOST_SPANNED)}"'


def _image(media: Element | None, name: str) -> str:
    value = media.find("value") if media is not None else None
    if value is None:
        return f"<p>[Image {escape(name)}: it is not in the document]</p>"
    kind = (value.get("mediaType") or "").strip().lower()
    data = (value.text or "").strip()
    if kind not in _IMAGES or not data or not _BASE64.fullmatch(data):
        return f"<p>[Image {escape(name)}: it cannot be shown here]</p>"
    return f'<img alt="Image {escape(name)} of the document" src="data:{kind};base64,{"".join(data.split())}">'
