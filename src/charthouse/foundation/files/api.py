"""Kept files: attachments, scans, letters, anything of bytes.

Each is sealed under a data key of its own, which a master key outside the data directory wraps; equal content is
kept once; damage, truncation and exchange are found on reading. Who may read a file is decided by the app that
holds its id.
"""

from __future__ import annotations

from .caring import Finding, Rotated, Trouble, Verified, proof_of, proved, rotate, verify
from .errors import FileDamaged, FileError, FileMissing, KeyMissing
from .sealed import Source
from .store import StoredFile, destroy, hold, open_stream, put, read, stat, sweep
from .waiting import WaitingFile, forget_waiting, keep_waiting, sweep_waiting, waiting

__all__ = [
    "FileDamaged",
    "FileError",
    "FileMissing",
    "Finding",
    "KeyMissing",
    "Rotated",
    "Source",
    "StoredFile",
    "Trouble",
    "Verified",
    "WaitingFile",
    "destroy",
    "forget_waiting",
    "hold",
    "keep_waiting",
    "open_stream",
    "proof_of",
    "proved",
    "put",
    "read",
    "rotate",
    "stat",
    "sweep",
    "sweep_waiting",
    "verify",
    "waiting",
]
