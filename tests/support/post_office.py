"""A mail server of the tests' own, which takes a real SMTP conversation, refuses, or hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.sites import free_port


@dataclass
class PostOffice:
    """What a mail server does with what it is given; ``answers`` by address, ``hangs_up`` after the text."""

    got: list[Envelope] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    answer: str = "250 Taken"
    hangs_up: bool = False
    hangs_up_at: str = ""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.hangs_up_at == "MAIL":
            server.transport.abort()
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        if self.hangs_up:
            server.transport.abort()
            await asyncio.sleep(0)
        return self.answer

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(each.content or b"", policy=policy.default) for each in self.got]  # type: ignore[misc]


@contextmanager
def open_office(office: PostOffice, **settings: Any) -> Iterator[int]:
    """The office on a port of this machine's own; yields the port."""
    controller = Controller(office, hostname="127.0.0.1", port=free_port(), **settings)
    controller.start()
    try:
        yield int(controller.port)
    finally:
        controller.stop()
