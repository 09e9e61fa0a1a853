"""The one error of this codec."""

from __future__ import annotations


class FhirError(ValueError):
    """FHIR content that cannot be taken in.

    ``reason`` is a plain sentence without any value from the content, fit for a log. ``path`` names the element
    (``Patient.name[0].family``), ``entry`` counts a bundle's entries from 0, ``offset`` counts bytes from 0 in the
    text as it was after decompression, ``line`` and ``column`` count from 1.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | None = None,
        entry: int | None = None,
        offset: int | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.entry = entry
        self.offset = offset
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """The reason with its place, as far as known."""
        place = []
        if self.entry is not None:
            place.append(f"entry {self.entry}")
        if self.path:
            place.append(self.path)
        if self.line is not None:
            place.append(f"line {self.line}" + (f", column {self.column}" if self.column is not None else ""))
        elif self.offset is not None:
            place.append(f"byte {self.offset}")
        return f"{self.reason} ({'; '.join(place)})" if place else self.reason

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the place when the error crosses a process."""
        return (_remake, (self.reason, self.path, self.entry, self.offset, self.line, self.column))


def _remake(
    reason: str,
    path: str | None,
    entry: int | None,
    offset: int | None,
    line: int | None,
    column: int | None,
) -> FhirError:
    return FhirError(reason, path=path, entry=entry, offset=offset, line=line, column=column)
