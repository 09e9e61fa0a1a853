"""The ways a message is sent: MLLP, the drop folder, HTTP; or, where nothing listens, handed to intake itself."""

from __future__ import annotations

import io
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from charthouse.configuration import Configuration
from charthouse.exchange.hl7v2.api import Deframer, frame

from .domain.outgoing import Outgoing

Tell = Callable[[int], None]
"""Told how many more messages were sent."""

_PATIENCE = 30.0
_CHUNK = 1 << 16


def mllp_address(site: Configuration, there: Mapping[str, object]) -> tuple[str, int]:
    """Where the MLLP listener of a running Charthouse is reached from here; port 0 where there is none."""
    host, _, port = str(there.get("mllp") or f"{site.mllp_host}:{site.mllp_port}").rpartition(":")
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), int(port)  # noqa: S104


class NotSent(Exception):
    """A connector did not take what was sent to it; the message says which, and why."""


def by_mllp(messages: Sequence[Outgoing], host: str, port: int, tell: Tell) -> None:
    """Send over one MLLP connection and wait for every acknowledgement. Raises NotSent."""
    waiting = len(messages)
    if not waiting:
        return
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE) as line:
            # Acknowledgements are read while messages are still written, so that neither side waits for the other.
            writer = threading.Thread(target=_write, args=(line, messages), daemon=True)
            writer.start()
            deframer = Deframer()
            while waiting:
                chunk = line.recv(_CHUNK)
                if not chunk:
                    raise NotSent(
                        f"The MLLP listener closed the connection before {waiting} messages were answered."
                    )
                answers = deframer.feed(chunk)
                waiting -= len(answers)
                tell(len(answers))
            writer.join(_PATIENCE)
    except OSError as error:
        raise NotSent(f"The MLLP listener at {host}:{port} cannot be used: {error.strerror or error}.") from None


def _write(line: socket.socket, messages: Sequence[Outgoing]) -> None:
    try:
        for each in messages:
            line.sendall(frame(each.data))
    except OSError:
        return  # the reader sees the closed connection and says so


def by_folder(messages: Sequence[Outgoing], folder: Path, name: str, tell: Tell) -> Path | None:
    """Lay HL7 messages into the drop folder as one batch file; answers where it will be when it was taken in."""
    if not messages:
        return None
    first = messages[0].data.split(b"\r", 1)[0].split(b"|")
    head = b"|".join([b"^~\\&", *first[2:7]])
    lines = [b"FHS|" + head, b"BHS|" + head, *(each.data.rstrip(b"\r") for each in messages)]
    lines += [b"BTS|%d" % len(messages), b"FTS|1"]
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{name}.part"
    partial.write_bytes(b"\r".join(lines) + b"\r")
    partial.rename(folder / name)
    tell(len(messages))
    return folder / "done" / name


def by_http(messages: Sequence[Outgoing], address: str, token: str, tell: Tell) -> None:
    """Post each to ``/intake`` of the web application. Raises NotSent."""
    for each in messages:
        request = urllib.request.Request(  # noqa: S310 (the address is our own)
            f"{address}/intake",
            data=each.data,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            said = _reason(error)
            raise NotSent(f"{address}/intake refused a bundle: {said}") from None
        except OSError as error:
            raise NotSent(f"{address}/intake cannot be reached: {error}.") from None
        tell(1)


def _reason(error: urllib.error.HTTPError) -> str:
    """Why it was refused, as the answer says; one that is no JSON says only what HTTP does."""
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, TypeError, KeyError):
        return str(error.reason)


def by_hand(messages: Sequence[Outgoing], tell: Tell) -> None:
    """Take them in here and now, for a Charthouse that is not running."""
    # Here, since what writes no records may use this module without Django.
    from charthouse.intake.api import Connector, take_in

    for each in messages:
        for _ in take_in(io.BytesIO(each.data), connector=Connector.FILES, sender=each.sender, batch="demo"):
            pass
        tell(1)
