"""``charthouse bench mllp``: messages durable before their acknowledgement, beside a listener that only answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from django.db import connection
from rich.console import Console

from charthouse.exchange.hl7v2.api import Deframer, ack, frame
from charthouse.foundation.database.scratch import scratch_database

_READ = 1 << 16
_WARM_UP = 0.5
#: Seconds after which an acknowledgement is given up.
_PATIENCE = 60.0
_FILING_LIMIT = 300.0


def message(number: int, patients: int) -> bytes:
    """One ADT message of usual size: admissions, transfers and updates of ``patients`` invented people."""
    patient = number % patients
    event = ("A01", "A02", "A08", "A03")[number // patients % 4]
    at = (datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=number)).strftime("%Y%m%d%H%M%S")
    family = f"Bench{_letters(patient)}"
    return "\r".join(
        [
            f"MSH|^~\\&|BENCH|GENERAL|CHARTHOUSE|HIM|{at}+0000||ADT^{event}^ADT_{event}|B{number}|P|2.5.1|||AL|NE",
            f"EVN|{event}|{at}+0000|||OPERATOR^Benning^Olive",
            f"PID|1||{900000 + patient}^^^GENERAL^MR||{family}^{_letters(patient * 7 + 3)}^Q||"
            f"{1930 + patient % 80}{1 + patient % 12:02}{1 + patient % 28:02}|{'MF'[patient % 2]}||"
            f"2106-3^White^CDCREC|{patient} Rehearsal Way^^Springfield^IL^627{patient % 90:02}^USA||"
            f"^PRN^PH^^1^217^555{patient % 10000:04}||eng^English^ISO6392|M||ACC{patient}^^^GENERAL^AN",
            _pv1(number, patient, event, at),
            "DG1|1||I50.33^Acute on chronic diastolic heart failure^I10C||20260105|A",
            "",
        ]
    ).encode()


def _pv1(number: int, patient: int, event: str, at: str) -> str:
    fields = [""] * 46
    fields[1:4] = ["1", "I", f"4W^{400 + number % 40}^{'AB'[number % 2]}^GENERAL"]
    fields[7] = fields[17] = "1417900019^Lindqvist^Astrid^^^Dr^MD^^NPI"
    fields[10], fields[18], fields[19] = "SUR", "IP", f"V{patient}^^^GENERAL^VN"
    fields[44] = "20260105080000+0000"
    if event == "A03":
        fields[36], fields[45] = "01", f"{at}+0000"
    return "PV1" + "|".join(fields)


def _letters(number: int) -> str:
    """A pronounceable name for a number."""
    syllables = ("ba", "do", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "va", "we")
    name = ""
    number += 1
    while number:
        number, digit = divmod(number, len(syllables))
        name += syllables[digit]
    return name.capitalize()


async def _drive(port: int, connections: int, seconds: float, patients: int, first: int) -> tuple[int, float, int]:
    """Send from ``connections`` clients, each waiting for its answer; (accepted, seconds, messages sent)."""
    stop_at = time.perf_counter() + seconds
    accepted = 0
    next_number = first

    async def client() -> None:
        nonlocal accepted, next_number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        deframer = Deframer()
        while time.perf_counter() < stop_at:
            number, next_number = next_number, next_number + 1
            writer.write(frame(message(number, patients)))
            answers: list[bytes] = []
            while not answers:
                async with asyncio.timeout(_PATIENCE):
                    chunk = await reader.read(_READ)
                if not chunk:
                    raise ConnectionError("The listener closed the connection.")
                answers = deframer.feed(chunk)
            accepted += b"|AA|" in answers[0]
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(connections)))
    return accepted, time.perf_counter() - began, next_number - first


async def _bare(ready: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """A listener that reads and acknowledges, and keeps nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deframer = Deframer()
        while chunk := await reader.read(_READ):
            for each in deframer.feed(chunk):
                writer.write(frame(ack(each, "AA")))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await ready(server.sockets[0].getsockname()[1])


def bare_listener() -> None:
    """Run the bare listener until stopped; prints its port."""

    async def forever(port: int) -> None:
        print(port, flush=True)
        await asyncio.Event().wait()

    try:
        asyncio.run(_bare(forever))
    except KeyboardInterrupt:
        pass


def bench_mllp(
    connections: Annotated[int, typer.Option(min=1)] = 32,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each listener is driven.")] = 10.0,
    patients: Annotated[int, typer.Option(min=1)] = 2_000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that file.")] = 2,
) -> None:
    """Measure messages kept durably before their acknowledgement (32 connections, group commit), beside a listener
    in the same run that acknowledges without storing; then how many a second are fully filed."""
    console = Console(stderr=True)
    with scratch_database("bench"):
        console.print("A listener that only answers")
        bare = _listener([sys.executable, "-c", _BARE])
        try:
            bare_rate = _rate(bare[1], connections, seconds, patients, 0)[0]
        finally:
            _end(bare[0])
        console.print(f"  {bare_rate:,.0f} messages/s")
        console.print("The MLLP listener")
        ours = _listener([sys.executable, "-c", _OURS])
        try:
            durable_rate, sent = _rate(ours[1], connections, seconds, patients, 0)
        finally:
            _end(ours[0])
        console.print(f"  {durable_rate:,.0f} messages/s durable")
        kept = _count("SELECT count(*) FROM intake_message")
        console.print(f"Filing {kept:,} messages with {workers} processes")
        filed_rate, filed = _file(workers)
        unfiled = _count("SELECT count(*) FROM intake_message WHERE state NOT IN ('filed', 'duplicate')")
    print(
        json.dumps(
            {
                "bench": "mllp",
                "connections": connections,
                "durable_per_s": round(durable_rate, 1),
                "bare_ack_per_s": round(bare_rate, 1),
                "ratio_to_bare_ack": round(durable_rate / bare_rate, 3),
                "filed_per_s": round(filed_rate, 1),
                "sent": sent,
                "kept": kept,
                "filed": filed,
                "not_filed": unfiled,
            }
        )
    )


_BARE = "from charthouse.intake.bench.mllp import bare_listener; bare_listener()"
_OURS = """
import asyncio
from charthouse.foundation.bootstrap import configure_django
configure_django()
from charthouse.intake.connectors.mllp import MllpListener
async def main():
    listener = MllpListener("127.0.0.1", 0)
    ready = asyncio.Event()
    task = asyncio.create_task(listener.serve(asyncio.Event(), ready))
    await ready.wait()
    print(listener.port, flush=True)
    await task
asyncio.run(main())
"""
_FILER = """
from charthouse.foundation.bootstrap import configure_django
configure_django()
from charthouse.intake.commands import filing
filing()
"""


def _listener(arguments: list[str]) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdigit():
            return process, int(line)
    _end(process)
    raise RuntimeError("The listener ended before it listened; its error stands above.")


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _rate(port: int, connections: int, seconds: float, patients: int, first: int) -> tuple[float, int]:
    asyncio.run(_drive(port, connections, _WARM_UP, patients, first + 100_000_000))
    accepted, took, sent = asyncio.run(_drive(port, connections, seconds, patients, first))
    return accepted / took, sent


def _count(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        number: int = cursor.fetchone()[0]
        return number


def _file(workers: int) -> tuple[float, int]:
    """Start the filing processes on what was kept and wait until all is filed; (messages/s, messages)."""
    before = _count("SELECT count(*) FROM intake_message WHERE state = 'received'")
    filers = [subprocess.Popen([sys.executable, "-c", _FILER], env=dict(os.environ)) for _ in range(workers)]
    try:
        limit = time.perf_counter() + _FILING_LIMIT
        # The processes' own start is not what is measured.
        while _count("SELECT count(*) FROM intake_message WHERE state = 'received'") == before:
            if time.perf_counter() > limit:
                break
            time.sleep(0.05)
        left = _count("SELECT count(*) FROM intake_message WHERE state = 'received'")
        began, start = time.perf_counter(), left
        while left and time.perf_counter() < limit:
            time.sleep(0.2)
            left = _count("SELECT count(*) FROM intake_message WHERE state = 'received'")
        took = time.perf_counter() - began
    finally:
        for filer in filers:
            _end(filer)
    return ((start - left) / took if took else 0.0), before - left
