"""A browser, a served application, and somebody signed in.

The screens are served by the application itself with everything in front of it (sign-in, access, headers). What
they read is taken from ``fakes.py``, so that every screen can be shown in every state without a hospital behind it.
Somebody signs in by the forms once in a run of tests; each module gets a clone of the database after that.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.support.browsers import PATIENCE, launched
from tests.support.threads import beside as _beside

PASSWORD = "lantern-harbour-quilt-9"
_specification = importlib.util.spec_from_file_location("charthouse_fakes", Path(__file__).with_name("fakes.py"))
assert _specification is not None and _specification.loader is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker("database")


_modules = itertools.count(1)


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
    """A browser for one module, closed before Django needs the database in this thread again."""
    with launched(browser_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def fakes() -> Any:
    """The module of stand-ins, loaded once."""
    module = importlib.util.module_from_spec(_specification)
    sys.modules[_specification.name] = module
    _specification.loader.exec_module(module)
    return module


@contextmanager
def _serving(name: str, blocker: Any) -> Iterator[str]:
    """The application over the database ``name`` on a port of its own; yields its address."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    entry = connections.settings["default"]
    before = entry["NAME"]
    connections.close_all()
    entry["NAME"] = settings.DATABASES["default"]["NAME"] = name
    server = make_server("127.0.0.1", 0, get_wsgi_application(), server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    try:
        with blocker.unblock():
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()
    finally:
        server.server_close()
        connections.close_all()
        entry["NAME"] = settings.DATABASES["default"]["NAME"] = before


@pytest.fixture(scope="session")
def prepared(databases: Any, browser_path: str, django_db_blocker: Any) -> tuple[str, Any]:
    """A database in which a technician who also manages and oversees has signed in by the forms of a real site,
    authenticator included; and the state of their browser. Made by whichever worker is first."""
    name = f"{databases.template}_signed_in"
    with databases.alone("signed-in") as shared:
        kept = shared / "signed-in.json"
        if not kept.exists():
            databases.clone(name)
            with _serving(name, django_db_blocker) as address, launched(browser_path) as browser:
                state = _sign_in(browser, address)
            databases.leave(name)
            kept.write_text(json.dumps(state), "utf-8")
        return name, json.loads(kept.read_text("utf-8"))


@pytest.fixture(scope="module")
def served(databases: Any, prepared: tuple[str, Any], django_db_blocker: Any) -> Iterator[str]:
    """The application over a database of this module's own; yields its address."""
    # A name of its own, by which the application remembers what it knows of a database.
    name = f"{databases.template}_e2e_{threading.get_native_id()}_{next(_modules)}"
    databases.clone(name, prepared[0])
    try:
        # Whoever signed in at the beginning of the run has not been idle since.
        with psycopg.connect(make_conninfo(databases.admin, dbname=name), autocommit=True) as connection:
            connection.execute("UPDATE people_session SET last_seen_at = now()")
        with _serving(name, django_db_blocker) as address:
            yield address
    finally:
        databases.drop(name)


def _code_of(secret: str) -> str:
    """The code an authenticator shows now (RFC 6238)."""
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def _sign_in(browser: Any, address: str) -> Any:
    """The browser's state after the first sign-in."""
    from charthouse.foundation.access.api import Role, system_context
    from charthouse.people.api import add_account

    roles = [Role.HIT, Role.MANAGER, Role.PRIVACY]
    _beside(
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
    page.goto(f"{address}/")
    page.get_by_label("User name").fill("okafor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Set up your authenticator").wait_for()
    secret = page.locator("figcaption code").inner_text().replace(" ", "")
    page.get_by_label("Six-digit code").fill(_code_of(secret))
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("heading", name="Your authenticator is set up").wait_for()
    page.goto(f"{address}/")
    page.get_by_role("heading", name="Today").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="module")
def signed_in(prepared: tuple[str, Any]) -> Any:
    """The state of the browser of somebody who is signed in. Cookies know no port, so it serves every module."""
    return prepared[1]


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
    return _beside


_PAGES = pytest.StashKey[list[Any]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A test that fails says what stood on its pages."""
    report = yield
    if report.when == "call" and report.failed:
        for page in item.stash.get(_PAGES, []):
            with suppress(Exception):
                focus = page.evaluate("document.activeElement?.outerHTML?.slice(0, 300)")
                told = f"{page.url}\nfocus: {focus}\n{page.locator('body').inner_text(timeout=2_000)[:4_000]}"
                report.sections.append(("page", told))
    return report


@pytest.fixture
def visit(served: str, signed_in: Any, browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """``visit("/path", (width, height), status=200)``: a page of somebody signed in. Fails where the console shows
    an error or a breach of the content policy."""
    contexts = []
    complaints: list[str] = []

    def complain(message: Any, status: int) -> None:
        # A form that comes back with what is wrong says 422, of which the browser's console tells.
        expected = (f"status of {status}", "status of 422")
        if message.type == "error" and not any(each in message.text for each in expected):
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
        request.node.stash.setdefault(_PAGES, []).append(page)
        page.set_default_timeout(PATIENCE)
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
