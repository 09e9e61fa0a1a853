"""Mail: what is sent to ``mailto:`` addresses goes to the site's mail server by SMTP (RFC 5321).

A mail goes once, or is shown as uncertain: until the last line of its text is sent, the server has to forget what
it was given (RFC 5321, 4.1.1.4), so a failure before is tried again; after it the server may have taken it over.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from charthouse.configuration import ConfigurationError, configuration

from .transport import Outgoing, TransportError, Uncertain, register_transport

#: seconds for the whole of it; an outbox's transport has 30
_PATIENCE = 25.0
_PASSWORD = "smtp-password"  # noqa: S105
_PORTS = {"none": 25, "starttls": 587, "tls": 465}
_ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.\[\]:-]+")
_POLICY = SMTP.clone(cte_type="7bit")
_DOT = re.compile(rb"^\.", re.MULTILINE)
_KNOWN = {"host", "port", "security", "sender", "user", "certificate_authority"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over. ``security`` is ``none``, ``starttls`` or ``tls``; ``password`` is empty where the
    server asks for none; ``authority`` is a PEM file beside those the machine trusts."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str = ""
    authority: Path | None = None


def mail_server() -> MailServer | None:
    """The site's mail server: the table ``[smtp]`` of site.toml; None where there is none.

    The password lies in the key directory, in the file ``smtp-password``. Raises ConfigurationError.
    """
    site = configuration()
    given = site.extra.get("smtp")
    if given is None:
        return None
    where = f"[smtp] in {site.site_file}"
    if not isinstance(given, dict):
        raise ConfigurationError(f"{where} is not a table. Write [smtp], and host and sender beneath it.")
    if unknown := sorted(given.keys() - _KNOWN):
        raise ConfigurationError(f"{where} has {unknown[0]!r}; it may have {', '.join(sorted(_KNOWN))}.")
    security = given.get("security", "starttls")
    if security not in _PORTS:
        raise ConfigurationError(f"security of {where} is {security!r}: none, starttls or tls is needed.")
    port = given.get("port", _PORTS[security])
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise ConfigurationError(f"port of {where} is {port!r}: a number from 1 to 65535 is needed.")
    host, sender, user = (given.get(name, "") for name in ("host", "sender", "user"))
    if not isinstance(host, str) or not host:
        raise ConfigurationError(f"host of {where} is missing: the name of the mail server is needed.")
    if not isinstance(sender, str) or not _ADDRESS.fullmatch(sender):
        raise ConfigurationError(f"sender of {where} is {sender!r}: an address such as him@example.org is needed.")
    if not isinstance(user, str):
        raise ConfigurationError(f"user of {where} is {user!r}: a text is needed.")
    authority = given.get("certificate_authority")
    return MailServer(
        host,
        port,
        security,
        sender,
        user,
        _password(site.keys / _PASSWORD) if user else "",
        Path(authority).expanduser() if authority else None,
    )


def _password(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"The password of the mail server is looked for in {path}, which cannot be read: {error.strerror}."
        ) from None


class MailTransport:
    """``mailto:address``; the payload is JSON with ``subject`` and ``text``."""

    def __init__(self, server: Callable[[], MailServer | None] = mail_server) -> None:
        self._server = server

    def send(self, message: Outgoing) -> None:
        if message.uncertain:
            raise Uncertain
        try:
            server = self._server()
        except ConfigurationError as error:
            raise TransportError(str(error)) from None
        if server is None:
            raise TransportError("No mail server is set up: site.toml needs a table [smtp] with host and sender.")
        to = unquote(message.destination.partition(":")[2])
        if not _ADDRESS.fullmatch(to):
            raise TransportError("The address is none that mail can be sent to.", permanent=True)
        until = time.monotonic() + _PATIENCE
        try:
            line = _opened(server, until)
        except (OSError, smtplib.SMTPException) as error:
            raise TransportError(f"The mail server cannot be reached: {_words(error)}.") from error
        try:
            self._hand_over(line, server, to, _composed(message, server, to))
        finally:
            line.close()

    def _hand_over(self, line: smtplib.SMTP, server: MailServer, to: str, content: bytes) -> None:
        try:
            _greet(line, server)
            _expect(line, f"MAIL FROM:<{server.sender}>", {250})
            _expect(line, f"RCPT TO:<{to}>", {250, 251}, final=True)
            _expect(line, "DATA", {354})
            line.send(_DOT.sub(b"..", content))
        except (OSError, smtplib.SMTPException) as error:
            raise TransportError(f"The mail server did not take the mail: {_words(error)}.") from error
        try:
            line.send(b".\r\n")
            code, _ = line.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise Uncertain from error
        if code != 250:
            raise TransportError(
                f"The mail server refused the mail with {code}.", permanent=500 <= code < 600
            )  # fmt: skip
        try:
            line.quit()
        except (OSError, smtplib.SMTPException):
            pass


class _Line(smtplib.SMTP):
    """A conversation that ends at a moment, however many steps it has."""

    def __init__(self, server: MailServer, until: float, **settings: Any) -> None:
        self._until = until
        # Its own name would be looked up in the network.
        name = server.sender.rpartition("@")[2]
        super().__init__(server.host, server.port, name, timeout=_left(until), **settings)

    def send(self, s: Any) -> None:
        self._allow()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        self._allow()
        return super().getreply()

    def _allow(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(_left(self._until))


class _TlsLine(_Line, smtplib.SMTP_SSL):
    """The same, under TLS from its beginning."""


def _left(until: float) -> float:
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _opened(server: MailServer, until: float) -> smtplib.SMTP:
    if server.security == "tls":
        return _TlsLine(server, until, context=_context(server))
    return _Line(server, until)


def _context(server: MailServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.authority is not None:
        context.load_verify_locations(server.authority)
    return context


def _greet(line: smtplib.SMTP, server: MailServer) -> None:
    line.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        line.starttls(context=_context(server))
        line.ehlo()
    if server.user:
        line.login(server.user, server.password)


def _expect(line: smtplib.SMTP, command: str, good: set[int], *, final: bool = False) -> None:
    """Say a command. Another answer is a failure; ``final`` where a 5xx is of this very message."""
    code, _ = line.docmd(command)
    if code not in good:
        raise TransportError(
            f"The mail server answered {command.split(':')[0]} with {code}.", permanent=final and 500 <= code < 600
        )


def _composed(message: Outgoing, server: MailServer, to: str) -> bytes:
    said = orjson.loads(message.payload)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = server.sender
    mail["To"] = to
    mail["Subject"] = said["subject"]
    mail["Date"] = format_datetime(message.enqueued_at)
    mail["Message-ID"] = f"<{message.message_id}@{server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(said["text"], charset="utf-8")
    content = mail.as_bytes()
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _words(error: Exception) -> str:
    """Why, without what the server said: its words may repeat an address."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no TLS or no way to sign in"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"it refused the user name or password with {error.smtp_code}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answered {error.smtp_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not one this machine trusts"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection was lost"
    return getattr(error, "strerror", None) or "no connection"


MAIL = MailTransport()
register_transport("mailto", MAIL)
