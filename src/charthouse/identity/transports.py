"""How notices leave: MLLP for HL7 v2, HTTP for FHIR and HL7 v2. Each message goes once, or is shown as uncertain.

A message that was written whole and not answered may have arrived. It is not sent again by itself: it becomes a
dead message of the outbox whose reason says so, and a person asks the receiver, then retries or discards it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from charthouse.exchange.hl7v2.api import Deframer, FramingError, Hl7Error, frame, parse
from charthouse.foundation.outbox.api import Outgoing, TransportError, Uncertain, register_transport

_CONNECT = 10.0
_ANSWER = 15.0
_CHUNK = 1 << 16
_TAKEN = {"AA", "CA"}


def _refuse_uncertain(message: Outgoing) -> None:
    if message.uncertain:
        raise Uncertain


class MllpTransport:
    """``mllp://host:port``: one connection a message, which ends when the acknowledgement has come."""

    def send(self, message: Outgoing) -> None:
        parts = urlsplit(message.destination)
        if not parts.hostname or not parts.port:
            raise TransportError("An MLLP listener is written mllp://host:port.", permanent=True)
        _refuse_uncertain(message)
        try:
            line = socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT)
        except OSError as error:
            raise TransportError(f"The listener cannot be reached: {error.strerror or 'no connection'}.") from error
        with line:
            line.settimeout(_ANSWER)
            try:
                line.sendall(frame(message.payload))
                answer = self._answer(line)
            except OSError as error:
                raise Uncertain from error
        self._judge(answer, message.payload)

    @staticmethod
    def _answer(line: socket.socket) -> bytes:
        deframer = Deframer()
        while chunk := line.recv(_CHUNK):
            try:
                if found := deframer.feed(chunk):
                    return bytes(found[0])
            except FramingError as error:
                raise Uncertain from error
        raise Uncertain

    @staticmethod
    def _judge(answer: bytes, sent: bytes) -> None:
        try:
            said = parse(answer).first("MSA")
        except Hl7Error as error:
            raise Uncertain from error
        code = said.get(1) if said is not None else ""
        if code not in _TAKEN:
            raise TransportError(
                f"The receiver refused the message ({code or 'no MSA'}). Mend what it cannot take, then retry it.",
                permanent=True,
            )


class HttpTransport:
    """``http://host/path`` and ``https://…``: a POST of the message, its id as Idempotency-Key."""

    def send(self, message: Outgoing) -> None:
        parts = urlsplit(message.destination)
        if not parts.hostname:
            raise TransportError("An address is written https://host/path.", permanent=True)
        _refuse_uncertain(message)
        line = (
            http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_CONNECT, context=ssl.create_default_context()
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=_CONNECT)
        )
        try:
            try:
                line.connect()
            except OSError as error:
                raise TransportError(
                    f"The server cannot be reached: {error.strerror or 'no connection'}."
                ) from error
            if line.sock is not None:
                line.sock.settimeout(_ANSWER)
            fhir = message.kind.startswith("fhir/")
            headers = {
                "Content-Type": "application/fhir+json" if fhir else "x-application/hl7-v2+er7; charset=utf-8",
                "Idempotency-Key": str(message.message_id),
            }
            try:
                line.request(
                    "POST",
                    (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                    message.payload,
                    headers,
                )
                status = line.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                raise Uncertain from error
        finally:
            line.close()
        if 200 <= status < 300:
            return
        # These say that nothing was done yet; what else is said of this message will be said again.
        later = status in (408, 425, 429, 503)
        raise TransportError(f"The server answered {status}.", permanent=not later)


def register() -> None:
    """Let the outbox send to mllp:, http: and https: destinations."""
    register_transport("mllp", MLLP)
    register_transport("http", HTTP)
    register_transport("https", HTTP)


MLLP, HTTP = MllpTransport(), HttpTransport()
