"""Fetch the typeface of letters and prints, and write it in the form the typesetter reads.

    python tools/letter_fonts.py

The package comes by the ordinary npm client and is refused unless its SHA-512 is the one written here. Its WOFF2
files are unpacked to TrueType by fontTools (``pip install fonttools brotli``); nothing in the outlines is changed.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path

from vendor_assets import Package, fetch

FONTS = Path(__file__).resolve().parent.parent / "src/charthouse/foundation/letters/fonts"
INTER = Package(
    name="inter-ui",
    version="4.1.1",
    licence="OFL-1.1",
    integrity="sha512-451h0J29HyOmA+JXgSi/6M12tL7ZCZ8arYKZUXiOXTJpJbAKqJvFh3k5SiV3x7tKe0C0KyrKUUiQIvvZ2PQDcA==",
    files={
        "web/Inter-Regular.woff2": "Inter-Regular.ttf",
        "web/Inter-SemiBold.woff2": "Inter-SemiBold.ttf",
        "LICENSE.txt": "LICENSE",
    },
)


def unpacked(font: bytes) -> bytes:
    """The TrueType file in a WOFF2 file, the same every time."""
    from fontTools.ttLib import TTFont

    opened = TTFont(io.BytesIO(font), recalcTimestamp=False)
    opened.flavor = None
    written = io.BytesIO()
    opened.save(written)
    return written.getvalue()


def main() -> None:
    FONTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fetch(INTER, Path(folder))) as archive:
        for inside, outside in INTER.files.items():
            member = archive.extractfile(f"package/{inside}")
            if member is None:
                raise SystemExit(f"{INTER.name}@{INTER.version} has no file {inside}.")
            content = member.read()
            (FONTS / outside).write_bytes(unpacked(content) if outside.endswith(".ttf") else content)


if __name__ == "__main__":
    main()
