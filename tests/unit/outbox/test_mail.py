"""Mail leaves by a real SMTP conversation; once it was handed over without an answer, it is uncertain."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from django.db import transaction

from charthouse.configuration import Configuration, ConfigurationError
from charthouse.foundation.access.api import system_context
from charthouse.foundation.outbox import api as outbox
from charthouse.foundation.outbox import mail, telling, transport
from charthouse.foundation.work import api as work
from tests.support.post_office import PostOffice, open_office

CTX = system_context("test")
AT_ONCE = outbox.Patience(first=timedelta(0), longest=timedelta(0), attempts=2)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def line(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with open_office(office) as port:
        server = outbox.MailServer("127.0.0.1", port, "none", "him@example.org")
        monkeypatch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
        yield


def send(to: str = "novak@example.org", text: str = "You have 3 charts.\n.\n..and so on") -> None:
    with transaction.atomic():
        outbox.enqueue(f"mailto:{to}", "mail/test", {"subject": "Grüße: 3 charts", "text": text}, to)


@pytest.mark.django_db
class TestSending:
    def test_arrives_as_it_was_written(self, line: None, office: PostOffice) -> None:
        send()
        assert outbox.send_due() == 1
        (arrived,) = office.mails
        assert (arrived["From"], arrived["To"]) == ("him@example.org", "novak@example.org")
        assert arrived["Subject"] == "Grüße: 3 charts" and arrived["Auto-Submitted"] == "auto-generated"
        assert arrived.get_content().split() == ["You", "have", "3", "charts.", ".", "..and", "so", "on"]
        assert arrived.get_content().splitlines()[1:] == [".", "..and so on"]
        assert outbox.depth() == []

    def test_a_lost_connection_before_the_text_is_tried_again(self, line: None, office: PostOffice) -> None:
        office.hangs_up_at = "MAIL"
        send()
        outbox.send_due(patience=outbox.Patience(first=timedelta(0), longest=timedelta(0)), limit=1)
        office.hangs_up_at = ""
        outbox.send_due()
        assert len(office.mails) == 1 and outbox.dead_letters() == []

    def test_without_an_answer_after_the_text_it_is_uncertain_and_not_sent_again(
        self, line: None, office: PostOffice, told: list[tuple[str, str]]
    ) -> None:
        office.hangs_up = True
        send()
        outbox.send_due(patience=AT_ONCE)
        assert outbox.send_due(patience=AT_ONCE) == 0
        (dead,) = outbox.dead_letters()
        assert dead.error == outbox.UNCERTAIN and dead.attempts == 1 and len(office.got) == 1
        assert outbox.deliveries([dead.message_id])[dead.message_id].uncertain
        office.hangs_up = False
        outbox.retry(CTX, dead.message_id)
        outbox.send_due()
        first, second = office.mails
        assert first["Message-ID"] == second["Message-ID"], "a receiver may know the repeat"
        assert [what for what, _ in told] == ["uncertain", "retried", "sent"]

    def test_what_a_sender_that_died_had_is_uncertain(self, line: None, office: PostOffice) -> None:
        from charthouse.foundation.outbox.sending import _claim

        send()
        assert _claim(timedelta(seconds=-1)) is not None, "a sender took it and died"
        outbox.send_due()
        assert [each.error for each in outbox.dead_letters()] == [outbox.UNCERTAIN] and office.got == []

    def test_a_refused_address_is_dead_at_once(
        self, line: None, office: PostOffice, told: list[tuple[str, str]]
    ) -> None:
        office.answers = {"gone@example.org": "550 5.1.1 Nobody of the name Gone", "full@example.org": "452 Full"}
        send("gone@example.org")
        send("full@example.org")
        outbox.send_due(patience=AT_ONCE)
        errors = sorted((each.attempts, each.error) for each in outbox.dead_letters())
        assert errors == [
            (1, "The mail server answered RCPT TO with 550."),
            (2, "The mail server answered RCPT TO with 452."),
        ]
        assert [what for what, _ in told] == ["failed", "failed"]
        assert {item.detail["kind"] for item in work.items(CTX, work.MACHINERY_QUEUE).items} == {"mail/test"}

    def test_a_refused_text_is_not_uncertain(self, line: None, office: PostOffice) -> None:
        office.answer = "554 Spam"
        send()
        outbox.send_due()
        assert [each.error for each in outbox.dead_letters()] == ["The mail server refused the mail with 554."]

    @pytest.mark.parametrize("to", ["nobody", "a b@example.org", "a@example.org>\r\nRCPT TO:<b@example.org"])
    def test_what_is_no_address_never_reaches_the_server(self, line: None, office: PostOffice, to: str) -> None:
        send(to)
        outbox.send_due()
        assert "none that mail can be sent to" in outbox.dead_letters()[0].error and office.got == []

    def test_a_server_that_is_not_there_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        server = outbox.MailServer("127.0.0.1", 1, "none", "him@example.org")
        monkeypatch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
        send()
        outbox.send_due(patience=AT_ONCE)
        (dead,) = outbox.dead_letters()
        assert dead.attempts == 2 and dead.error.startswith("The mail server cannot be reached")

    def test_without_a_server_it_says_what_to_set(self) -> None:
        send()
        outbox.send_due(patience=AT_ONCE)
        assert "[smtp]" in outbox.dead_letters()[0].error


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []
    monkeypatch.setitem(telling._told, "mail/test", lambda id, outcome, error: heard.append((outcome.value, error)))
    return heard


def _certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.joinpath("cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    folder.joinpath("key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.django_db
class TestSafely:
    @pytest.fixture
    def safe(self, office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """A server that takes mail from who signs in over TLS only; yields how it is reached."""
        certificate, key = _certificate(tmp_path)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

        def signs_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
            return AuthResult(success=(data.login, data.password) == (b"him", b"quilt"), handled=False)

        rules = {"require_starttls": True, "authenticator": signs_in, "auth_required": True}
        with open_office(office, tls_context=context, **rules) as port:

            def reached(**changed: Any) -> None:
                settings: dict[str, Any] = {
                    "host": "localhost",
                    "port": port,
                    "security": "starttls",
                    "sender": "him@example.org",
                    "user": "him",
                    "password": "quilt",
                    "authority": certificate,
                    **changed,
                }
                server = outbox.MailServer(**settings)
                monkeypatch.setitem(transport._transports, "mailto", outbox.MailTransport(lambda: server))
                send()
                outbox.send_due(patience=AT_ONCE)

            yield reached

    def test_signs_in_over_tls(self, safe: Any, office: PostOffice) -> None:
        safe()
        assert len(office.mails) == 1

    def test_a_certificate_nobody_vouches_for_gets_nothing(self, safe: Any, office: PostOffice) -> None:
        safe(authority=None)
        assert "its certificate is not one this machine trusts" in outbox.dead_letters()[0].error
        assert office.got == []

    def test_a_wrong_password_is_said_without_it(self, safe: Any, office: PostOffice) -> None:
        safe(password="other")
        assert "refused the user name or password with 535" in outbox.dead_letters()[0].error


def _server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Any) -> outbox.MailServer | None:
    made = Configuration(data=tmp_path, keys=tmp_path, extra={} if given is None else {"smtp": given})
    monkeypatch.setattr(mail, "configuration", lambda: made)
    return outbox.mail_server()


class TestSettings:
    def test_none_is_none(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert _server(monkeypatch, tmp_path, None) is None

    def test_the_password_lies_with_the_keys(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "smtp-password").write_text("quilt\n", "utf-8")
        found = _server(monkeypatch, tmp_path, {"host": "mail", "sender": "him@example.org", "user": "him"})
        assert found == outbox.MailServer("mail", 587, "starttls", "him@example.org", "him", "quilt")

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("mail", "is not a table"),
            ({"sender": "him@example.org"}, "host of"),
            ({"host": "mail", "sender": "him"}, "sender of"),
            ({"host": "mail", "sender": "him@example.org", "port": 0}, "port of"),
            ({"host": "mail", "sender": "him@example.org", "security": "ssl"}, "none, starttls or tls"),
            ({"host": "mail", "sender": "him@example.org", "pasword": "x"}, "'pasword'"),
            ({"host": "mail", "sender": "him@example.org", "user": "him"}, "smtp-password"),
        ],
    )
    def test_a_wrong_one_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Any, says: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=says):
            _server(monkeypatch, tmp_path, given)
