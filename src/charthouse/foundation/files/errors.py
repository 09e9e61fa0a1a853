"""What can be wrong with a kept file, in words."""

from __future__ import annotations


class FileError(Exception):
    """A kept file cannot be given."""


class FileMissing(FileError):
    """The file is not there: never stored, destroyed, or its bytes are gone from the store."""


class FileDamaged(FileError):
    """The stored bytes are not those that were written."""


class KeyMissing(FileError):
    """The master key that opens the file is not in the key directory."""
