"""How messages leave: a transport for each scheme of destination."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID


class TransportError(Exception):
    """A message did not go; the words say why, without its content.

    ``permanent`` when trying again cannot help: the receiver refused this very message, or the destination is
    wrong.
    """

    def __init__(self, words: str, *, permanent: bool = False) -> None:
        super().__init__(words)
        self.permanent = permanent


#: The reason of a message that may have arrived.
UNCERTAIN = (
    "Uncertain: it was sent and no answer came, so the receiver may have it. Ask there; discard it if it arrived, "
    "retry it if it did not."
)


class Uncertain(TransportError):
    """A message was given away whole and no answer came, so it may have arrived.

    It is not sent again by itself: it is a dead message whose reason says so, and a person asks the receiver, then
    retries or discards it.
    """

    def __init__(self) -> None:
        super().__init__(UNCERTAIN, permanent=True)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as a transport gets it. ``number`` rises with the order of enqueueing; ``attempt`` counts from 1.
    ``uncertain`` says that a sender had it before and died: it may have arrived."""

    number: int
    message_id: UUID
    destination: str
    kind: str
    key: str
    payload: bytes
    attempt: int
    enqueued_at: datetime
    uncertain: bool = False


class Transport(Protocol):
    """Sends one message and returns when it has arrived.

    Must end within half the sender's lease (30 s), raising TransportError when it did not arrive or that is
    unknown: the message is then sent again with the same ``message_id``.
    """

    def send(self, message: Outgoing) -> None: ...


_transports: dict[str, Transport] = {}


def register_transport(scheme: str, transport: Transport) -> None:
    """Let ``transport`` send to destinations ``scheme:…``. Raises ValueError when another does so already."""
    if _transports.setdefault(scheme, transport) is not transport:
        raise ValueError(f"There is a transport for {scheme}: already.")


def transport_for(destination: str) -> Transport:
    """Raises TransportError, permanent, when no transport knows the destination's scheme."""
    scheme = destination.partition(":")[0]
    try:
        return _transports[scheme]
    except KeyError:
        known = ", ".join(sorted(_transports)) or "none"
        raise TransportError(
            f"No transport sends to {scheme}: destinations; there are: {known}.", permanent=True
        ) from None


class FolderTransport:
    """Writes each message as a file into the folder of ``file:///path/to/folder?suffix=hl7``.

    A file appears whole or not at all, under a name that sorts in the order of enqueueing; a repeat writes the same
    file again.
    """

    def send(self, message: Outgoing) -> None:
        folder, suffix = self._target(message.destination)
        name = f"{message.number:012d}-{message.message_id}.{suffix}"
        temporary = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as target:
                target.write(message.payload)
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(folder / name)
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise TransportError(f"The folder cannot be written: {error.strerror}.") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    @staticmethod
    def _target(destination: str) -> tuple[Path, str]:
        parts = urlsplit(destination)
        suffix = parse_qs(parts.query).get("suffix", ["dat"])[0]
        if parts.netloc or not parts.path.startswith("/") or not suffix.isalnum():
            raise TransportError("A folder is written file:///path/to/folder?suffix=hl7.", permanent=True)
        return Path(unquote(parts.path)), suffix


register_transport("file", FolderTransport())
