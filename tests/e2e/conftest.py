"""A browser, a served application, and somebody signed in.

The screens are served by the application itself with everything in front of it (sign-in, access, headers). What
they read is taken from ``fakes.py``, so that every screen can be shown in every state without a hospital behind it.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

PASSWORD = "lantern-harbour-quilt-9"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_specification = importlib.util.spec_from_file_location("charthouse_fakes", Path(__file__).with_name("fakes.py"))
assert _specification is not None and _specification.loader is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker("database")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test says what went wrong itself."""


@dataclass(frozen=True)
class Site:
    """The served application; ``cookies`` are of the one who is signed in, ``fakes`` what the screens read."""

    url: str
    cookies: Any
    fakes: Any


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    """A browser for one module. Playwright keeps an event loop in the thread as long as it runs, under which Django
    refuses the database to tests of other modules."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def fakes() -> Any:
    """The module of stand-ins, loaded once."""
    module = importlib.util.module_from_spec(_specification)
    sys.modules[_specification.name] = module
    _specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def served(databases: Any, django_db_blocker: Any) -> Iterator[str]:
    """The application on a port of its own, over a clone of the template; yields its address."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    name = f"{databases.template}_e2e_{threading.get_native_id()}"
    databases.clone(name)
    entry = connections.settings["default"]
    before = entry["NAME"]
    connections.close_all()
    entry["NAME"] = settings.DATABASES["default"]["NAME"] = name
    server = make_server("127.0.0.1", 0, get_wsgi_application(), server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    try:
        with django_db_blocker.unblock():
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()
    finally:
        server.server_close()
        connections.close_all()
        entry["NAME"] = settings.DATABASES["default"]["NAME"] = before
        databases.drop(name)


def _in_a_thread(work: Any) -> Any:
    """Run ``work`` beside Playwright's event loop, in which Django refuses to use the database."""
    result: list[Any] = []

    def run() -> None:
        from django.db import connections

        try:
            result.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert result, "what was run in a thread failed; its traceback stands above"
    return result[0]


def _code_of(secret: str) -> str:
    """The code an authenticator shows now (RFC 6238)."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


@pytest.fixture(scope="module")
def signed_in(served: str, browser: Any) -> Any:
    """The browser's state after a technician who also manages and oversees has signed in by the forms of a real
    site, authenticator included."""
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.people.api import add_account

    roles = [Role.HIT, Role.MANAGER, Role.PRIVACY]
    _in_a_thread(
        lambda: add_account(
            system_context("test"),
            username="okafor",
            display_name="R. Okafor",
            roles=roles,
            password=PASSWORD,
            temporary=False,
        )
    )
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{served}/")
    page.get_by_label("User name").fill("okafor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Set up your authenticator").wait_for()
    secret = page.locator("figcaption code").inner_text().replace(" ", "")
    page.get_by_label("Six-digit code").fill(_code_of(secret))
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("heading", name="Your authenticator is set up").wait_for()
    page.goto(f"{served}/")
    page.get_by_role("heading", name="Today").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="module")
def site(served: str, signed_in: Any, fakes: Any) -> Iterator[Site]:
    """The application whose screens read the stand-ins."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, stand_in in fakes.replacements():
            patch.setattr(module, name, stand_in)
        yield Site(served, signed_in, fakes)


@pytest.fixture(scope="module")
def beside() -> Any:
    """Runs a function where Django may use the database: beside the browser's event loop."""
    return _in_a_thread


@pytest.fixture
def visit(served: str, signed_in: Any, browser: Any) -> Iterator[Any]:
    """``visit("/path", (width, height), status=200)``: a page of somebody signed in. Fails where the console shows
    an error or a breach of the content policy."""
    contexts = []
    complaints: list[str] = []

    def complain(message: Any, status: int) -> None:
        if message.type == "error" and f"status of {status}" not in message.text:
            complaints.append(message.text)

    def open_(path: str, size: tuple[int, int] = (1440, 900), *, status: int = 200) -> Any:
        context = browser.new_context(
            storage_state=signed_in,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: complain(message, status))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = page.goto(served + path)
        assert answer.status == status
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def open_page(site: Site, visit: Any) -> Any:
    """``visit``, with the stand-ins in place."""
    return visit
