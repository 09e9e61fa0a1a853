"""Pages of files laid into the sheets that a letter left free: as they are, text and lines included."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Rectangle, Stream
from PIL import Image, ImageOps, ImageSequence

from .rendering import Place

if TYPE_CHECKING:
    import pikepdf
    from pikepdf import Pdf, Stream

#: A page of more points is not laid in; a larger side of one in colours or greys is drawn smaller.
_MOST_POINTS, _LONGEST_SIDE = 60_000_000, 3_300
_PICTURES = ("PNG", "JPEG", "TIFF", "GIF", "WEBP")
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, struct.error, MemoryError, Image.DecompressionBombError)


class UnreadableFile(Exception):
    """A file whose pages cannot be laid into a letter; the message says why, and holds nothing of it."""


@dataclass
class PagedFile:
    """A file of pages: a PDF, or a PNG, JPEG, TIFF, GIF or WebP, told by its bytes. ``count`` is how many it has.

    Opened when asked for, closed by :meth:`close`; reading it is what finds out whether it can be laid in. Raises
    UnreadableFile.
    """

    content: bytes
    _pdf: Pdf | None = field(default=None, repr=False)
    _count: int = 0

    def __post_init__(self) -> None:
        if self.content.lstrip()[:5] == b"%PDF-" or b"%PDF-" in self.content[:1024]:
            self._pdf = _opened(self.content)
            self._count = len(self._pdf.pages)
        else:
            self._count = _frames(self.content)
        if not self._count:
            raise UnreadableFile("It has no page.")

    @property
    def count(self) -> int:
        return self._count

    def close(self) -> None:
        if self._pdf is not None:
            self._pdf.close()

    def lay(self, target: Pdf, places: Sequence[Place]) -> None:
        """Lay its pages, one after the other, over these places of a letter."""
        if len(places) != self._count:
            raise ValueError("A file needs a place for each of its pages.")
        forms = self._of_pdf(target) if self._pdf is not None else self._of_picture(target)
        for place, form in zip(places, forms, strict=True):
            _over(target, place, form)

    def _of_pdf(self, target: Pdf) -> Iterator[pikepdf.Object]:
        assert self._pdf is not None
        for page in self._pdf.pages:
            yield target.copy_foreign(page.as_form_xobject())

    def _of_picture(self, target: Pdf) -> Iterator[pikepdf.Object]:
        from pikepdf import Stream

        with _pictures(self.content) as image:
            for frame in _each(image):
                drawn, width, height = _image(target, self.content, image, frame)
                form = Stream(target, f"{width} 0 0 {height} 0 0 cm /Im Do".encode())
                form.Type, form.Subtype = Name.XObject, Name.Form
                form.BBox = Array([0, 0, width, height])
                form.Resources = Dictionary(XObject=Dictionary(Im=drawn))
                yield form


def laid(
    letter: bytes, files: Mapping[str, PagedFile], places: Sequence[Place], attached: Mapping[str, bytes]
) -> bytes:
    """The letter with files laid over its sheets, and with what is ``attached`` to it by name (JSON).

    The sheets of a file are called by its name, a hyphen and the number of the page, from 0. Raises UnreadableFile.
    """
    # Imported where it is needed: a tenth of a second for every command otherwise.
    import pikepdf

    with pikepdf.Pdf.open(io.BytesIO(letter)) as target:
        for name, file in files.items():
            mine = {each.name: each for each in places if each.name.startswith(f"{name}-")}
            try:
                file.lay(target, [mine[f"{name}-{number}"] for number in range(file.count)])
            except (pikepdf.PdfError, *_DAMAGED) as error:
                raise UnreadableFile("A page of it is damaged.") from error
        for name, content in attached.items():
            target.attachments[name] = pikepdf.AttachedFileSpec(
                target,
                content,
                filename=name,
                description="What is in this file, as data",
                mime_type="application/json",
                relationship=pikepdf.Name.Data,
            )
        written = io.BytesIO()
        target.save(written, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
        return written.getvalue()


def _opened(content: bytes) -> Pdf:
    import pikepdf

    try:
        pdf = pikepdf.Pdf.open(io.BytesIO(content))
        # What was filled in, stamped or noted is on the page for who looks at it.
        if any("/Annots" in page for page in pdf.pages):
            pdf.generate_appearance_streams()
            pdf.flatten_annotations("all")
        return pdf
    except pikepdf.PasswordError as error:
        raise UnreadableFile("It is protected by a password.") from error
    except (pikepdf.PdfError, *_DAMAGED) as error:
        raise UnreadableFile("It cannot be read as a PDF.") from error


def _pictures(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=_PICTURES)


def _each(image: Image.Image) -> Iterator[Image.Image]:
    """The pages of a TIFF; of any other picture its first frame."""
    if image.format != "TIFF":
        yield image
        return
    yield from ImageSequence.Iterator(image)


def _frames(content: bytes) -> int:
    """How many pages a picture has, each of them read."""
    count = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _pictures(content) as image:
                for frame in _each(image):
                    if frame.width * frame.height > _MOST_POINTS:
                        raise UnreadableFile("A page of it is too large to be drawn.")
                    frame.load()
                    count += 1
    except _DAMAGED as error:
        raise UnreadableFile("It is no PDF and no picture that can be read.") from error
    return count


def _image(target: Pdf, content: bytes, image: Image.Image, frame: Image.Image) -> tuple[Stream, int, int]:
    """A picture as an object of the letter: a JPEG as it is, any other by its points, and how many there are."""

    turned = frame.getexif().get(0x0112, 1) != 1
    if image.format == "JPEG" and frame.mode in ("L", "RGB") and not turned:
        return _stream(target, content, frame.width, frame.height, frame.mode, Filter=Name.DCTDecode)
    seen = ImageOps.exif_transpose(frame) if turned else frame
    if seen.mode not in ("1", "L", "RGB"):
        whole = seen.convert("RGBA")
        seen = Image.new("RGB", whole.size, "white")
        seen.paste(whole, mask=whole)
    if seen.mode != "1" and max(seen.size) > _LONGEST_SIDE:
        seen = seen.copy()
        seen.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return _stream(target, seen.tobytes(), seen.width, seen.height, seen.mode)


def _stream(
    target: Pdf, data: bytes, width: int, height: int, mode: str, **more: pikepdf.Object
) -> tuple[Stream, int, int]:
    from pikepdf import Stream

    made = Stream(
        target,
        data,
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width,
        Height=height,
        ColorSpace=Name.DeviceRGB if mode == "RGB" else Name.DeviceGray,
        BitsPerComponent=1 if mode == "1" else 8,
        **more,
    )
    return made, width, height


def _over(target: Pdf, place: Place, form: pikepdf.Object) -> None:
    """Lay a page over its place, as large as fits, its sides as they are to each other."""

    page = target.pages[place.page - 1]
    _, _, _, height = (float(each) for each in page.mediabox)
    box = Rectangle(place.left, height - place.top - place.height, place.left + place.width, height - place.top)
    name = page.add_resource(form, Name.XObject, Name("/ChPage"))
    placed = page.calc_form_xobject_placement(form, name, box, allow_expand=True)
    # The words of the page are said beside it; its drawing is none of the letter's tagged content (PDF/UA-1, 7.1).
    page.contents_add(b"q", prepend=True)
    page.contents_add(b"Q\n/Artifact BMC\nq\n" + placed + b"\nQ\nEMC")
