"""The web application as WSGI, as Granian runs it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse

from charthouse.foundation import logging
from charthouse.foundation.database.lending import lent_connection
from charthouse.foundation.rulepacks import api as rulepacks
from charthouse.web.turns import Turns

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
logging.configure()
log = structlog.get_logger("charthouse.web")
_django = get_wsgi_application()
# A rule pack with a fault is found before the first request, not by it.
rulepacks.load()
# What was imported stays: the collector need not walk over it again.
gc.freeze()
#: Several times what a read takes, and less than anybody notices.
_turns = Turns(patience=0.010)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request; a failure outside Django's own handling is logged here, without its text."""
    try:
        with _turns.turn(), lent_connection() as keep:
            response = _django(environ, start_response)
            if not isinstance(response, HttpResponse):
                keep()
                return response
            # What is whole goes out at once: Granian takes a list as it is, and anything else piece by piece.
            body = [response.content]
            response.close()
            return body
    except Exception:
        log.exception("request failed before a view was found")
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [
            b"Charthouse cannot answer now. Its administrator finds the reason in the log of the web process.\n"
        ]
