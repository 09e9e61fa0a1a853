"""The file that ``charthouse db dump`` writes and ``restore`` reads.

A plain tar, since all in it is compressed or encrypted already: ``manifest.json``, ``database.dump`` (pg_dump's
custom format), ``site.toml``, and the encrypted files under ``files/``. It never holds a key; the manifest notes
the fingerprints of those it needs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from .problems import DatabaseProblem

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.dump"
SITE = "site.toml"
_FILES = "files/"

#: Called with the bytes done and the bytes in all.
BytesProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds. ``made`` is an ISO 8601 instant; ``postgresql`` a major version; ``files`` a count."""

    format: int
    charthouse: str
    postgresql: int
    made: str
    database_sha256: str
    owner: str
    application: str
    files: int
    keys: dict[str, str]


def write(target: Path, manifest: Manifest, dump: Path, site: Path, files: Path, progress: BytesProgress) -> None:
    """Write an archive; it appears under its name only when it is whole and on the disk."""
    stored = list(stored_files(files))
    total = dump.stat().st_size + sum(path.stat().st_size for path in stored)
    done = 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as handle:
            with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _add_bytes(tar, MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
                if site.exists():
                    _add_bytes(tar, SITE, site.read_bytes())
                for path in (dump, *stored):
                    name = DATABASE if path is dump else _FILES + path.relative_to(files).as_posix()
                    with path.open("rb") as source:
                        entry = tarfile.TarInfo(name)
                        entry.size, entry.mode = os.fstat(source.fileno()).st_size, 0o600
                        tar.addfile(entry, source)
                    done += entry.size
                    progress(done, total)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read_manifest(source: Path) -> Manifest:
    """The manifest of an archive. Raises DatabaseProblem where the file is none, or is of a newer Charthouse."""
    try:
        with tarfile.open(source, "r:") as tar:
            first = tar.next()
            handle = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
            values = json.loads(handle.read()) if handle else {}
        if values.get("format") == FORMAT:
            return Manifest(**values)
    except FileNotFoundError:
        raise DatabaseProblem(f"There is no file {source}.") from None
    except (tarfile.TarError, json.JSONDecodeError, TypeError, EOFError):
        raise DatabaseProblem(f"{source} is no dump of Charthouse, or is damaged at its beginning.") from None
    if "format" in values:
        raise DatabaseProblem(
            f"{source} is a dump of format {values['format']}, made by Charthouse {values.get('charthouse')}. "
            f"This Charthouse reads format {FORMAT}: use a newer one."
        )
    raise DatabaseProblem(f"{source} is no dump of Charthouse: it does not begin with {MANIFEST}.")


def extract(source: Path, folder: Path, manifest: Manifest, progress: BytesProgress) -> None:
    """Unpack the archive into an empty folder and check it: the dump's hash, the number of files.

    Raises DatabaseProblem when the archive is damaged, cut short, or names a path outside the folder.
    """
    total, done, count = source.stat().st_size, 0, 0
    try:
        with tarfile.open(source, "r:") as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if not entry.isreg() or path.is_absolute() or ".." in path.parts:
                    raise DatabaseProblem(f"{source} holds {entry.name!r}, which no dump of Charthouse holds.")
                target = folder.joinpath(*path.parts)
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                contents = tar.extractfile(entry)
                assert contents is not None
                with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as handle:
                    digest = _copy(contents, handle)
                if entry.name == DATABASE and digest != manifest.database_sha256:
                    raise DatabaseProblem(
                        f"{source} is damaged: the database in it is not the one that was dumped."
                    )
                count += entry.name.startswith(_FILES)
                done += entry.size
                progress(done, total)
    except (tarfile.TarError, EOFError) as error:
        raise DatabaseProblem(f"{source} is damaged or cut short: {error}.") from None
    if not (folder / DATABASE).exists() or count != manifest.files:
        raise DatabaseProblem(f"{source} is cut short: it holds {count} of {manifest.files} files.")


def stored_files(folder: Path) -> Iterator[Path]:
    """The files of the store, in order; those still being written, and those that wait for a form, lie in hidden
    folders and are left out."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


def sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _add_bytes(tar: tarfile.TarFile, name: str, contents: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(contents), 0o600
    tar.addfile(entry, io.BytesIO(contents))


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
        target.write(block)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()
