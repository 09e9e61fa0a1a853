"""What the measurements of the API share: a client with a token, invented records, requests by wire and without."""

from __future__ import annotations

import http.client
import os
import re
import secrets
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import psutil
import typer
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connection

from charthouse.fhir.actions.manage_clients import NewClient, add_token
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.processes import charthouse_command

Json = dict[str, Any]


def say(words: str) -> None:
    """A line for the person who waits."""
    typer.echo(words, err=True)


def new_token() -> str:
    """A client that may do everything, by its token."""
    draft = NewClient(f"bench {secrets.token_hex(4)}", "system/*.cruds", role=Role.HIT)
    return add_token(system_context("bench"), draft)


def patient(number: int) -> Json:
    """An invented patient."""
    return {
        "resourceType": "Patient",
        "id": f"bench-{number}",
        "identifier": [{"system": "urn:bench:mrn", "value": f"{10_000_000 + number}"}],
        "name": [{"family": f"Family{number}", "given": ["Ada", "Bela"]}],
        "gender": "female",
        "birthDate": f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 9}",
        "address": [{"line": [f"{number} Long Street"], "city": "Springfield", "postalCode": f"{10_000 + number}"}],
    }


def observation(number: int, patients: int) -> bytes:
    """An invented finding, of about a kilobyte."""
    body = {
        "resourceType": "Observation",
        "id": f"bench-o{number}",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                        "display": "Laboratory",
                    }
                ]
            }
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}],
            "text": "Hemoglobin [Mass/volume] in Blood",
        },
        "subject": {"reference": f"Patient/bench-{number % patients}"},
        "effectiveDateTime": f"2024-0{number % 9 + 1}-1{number % 9}T09:10:00Z",
        "issued": f"2024-0{number % 9 + 1}-1{number % 9}T10:10:00.000Z",
        "valueQuantity": {"value": 0, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
        "note": [{"text": "Invented for a measurement. " * 8}],
    }
    return orjson.dumps(body).replace(b'"value":0', b'"value":%d.50' % (8 + number % 9))


class InProcess:
    """Requests through all of the web application, its middleware included, without a wire."""

    def __init__(self, token: str) -> None:
        self._handler = WSGIHandler()  # loads the middleware
        self._environ = {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "HTTP_ACCEPT": "application/fhir+json",
            "CONTENT_TYPE": "application/fhir+json",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
        }

    def ask(self, method: str, path: str, body: bytes = b"", query: str = "", **headers: str) -> tuple[int, bytes]:
        """Status and body of one request."""
        environ = {
            **self._environ,
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }
        response = self._handler.get_response(WSGIRequest(environ))
        return response.status_code, getattr(response, "content", b"")


def milliseconds(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of seconds, in milliseconds."""
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 3),
        "p95_ms": round(ordered[int(len(ordered) * 0.95) - 1] * 1e3, 3),
    }


def timed(act: Callable[[int], object], times: int) -> list[float]:
    """Seconds of each of many acts, one after another."""
    taken = []
    for number in range(times):
        began = time.perf_counter()
        act(number)
        taken.append(time.perf_counter() - began)
    return taken


class Processor:
    """Processor time of this thread and of its PostgreSQL backend, which other work on the machine moves least."""

    def __init__(self) -> None:
        connection.ensure_connection()
        self._backend = connection.connection.info.backend_pid
        self._process = psutil.Process(self._backend)

    def milliseconds(self, act: Callable[[], object]) -> float:
        """What ``act`` takes of both."""
        began = sum(self.used())
        act()
        return (sum(self.used()) - began) * 1e3

    def used(self) -> tuple[float, float]:
        """Seconds so far, of this thread and of its backend."""
        try:
            # Exact, where Linux tells it.
            server = int(Path(f"/proc/{self._backend}/schedstat").read_text("ascii").split()[0]) / 1e9
        except (OSError, ValueError, IndexError):
            times = self._process.cpu_times()
            server = times.user + times.system
        return time.thread_time(), server


class WebServer:
    """A web application that runs: its port, and the processor time it takes with its PostgreSQL backends."""

    def __init__(self, port: int, process: int) -> None:
        self.port = port
        self._process = psutil.Process(process)

    def used(self) -> float:
        """Seconds so far."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            backends = [psutil.Process(pid) for (pid,) in cursor.fetchall() if psutil.pid_exists(pid)]
        every = [self._process, *self._process.children(recursive=True), *backends]
        return sum(times.user + times.system for times in (each.cpu_times() for each in every))


@contextmanager
def web_server() -> Iterator[WebServer]:
    """The web application as a site runs it, on a port of its own, over the database of this process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        charthouse_command("web"),
        env={**os.environ, "CHARTHOUSE_HOST": "127.0.0.1", "CHARTHOUSE_PORT": str(port)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/fhir/metadata")
                connection.getresponse().read()
                break
            except OSError:
                time.sleep(0.1)
        yield WebServer(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


class _Line:
    """One kept connection with a request under way: raw, so that the asking costs the machine next to nothing."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._began = 0.0
        self._got = b""

    def send(self, content: bytes) -> None:
        self._got = b""
        self._began = time.perf_counter()
        self.socket.sendall(content)

    def receive(self) -> tuple[float, int] | None:
        """Seconds and status of the answer; None where more of it is to come."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise RuntimeError("The server closed a connection.")
        self._got += piece
        head, blank, body = self._got.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = _LENGTH.search(head)
        if length is None:
            raise RuntimeError("An answer does not say how long it is.")
        if len(body) < int(length[1]):
            return None
        return time.perf_counter() - self._began, int(head[9:12])


_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def by_wire(
    port: int, token: str, connections: int, asked: int, request: Callable[[int], tuple[str, str, bytes]]
) -> tuple[list[float], float]:
    """Ask ``asked`` requests over so many kept connections; the seconds of each, and of all.

    They are made beforehand and asked by one thread. Raises RuntimeError for an answer from 400 on.
    """
    contents = iter([_request(port, token, *request(number)) for number in range(asked)])
    taken: list[float] = []
    with selectors.DefaultSelector() as waiting:
        began = time.perf_counter()
        for _ in range(connections):
            line = _Line(port)
            waiting.register(line.socket, selectors.EVENT_READ, line)
            line.send(next(contents))
        while len(taken) < asked:
            for key, _ in waiting.select(60):
                told = key.data.receive()
                if told is None:
                    continue
                seconds, status = told
                if status >= 400:
                    raise RuntimeError(f"A request failed with {status}.")
                taken.append(seconds)
                if following := next(contents, None):
                    key.data.send(following)
        whole = time.perf_counter() - began
        for key in list(waiting.get_map().values()):
            key.data.socket.close()
    return taken, whole


def _request(port: int, token: str, method: str, path: str, body: bytes) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
