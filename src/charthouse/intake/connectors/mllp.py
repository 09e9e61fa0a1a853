"""The MLLP listener: many connections, a few committers, an acknowledgement only for what is on disk.

Messages of many connections are committed together: a committer takes what has come while the commit before it
ran, and waits a few milliseconds at most for more. A connection keeps to one committer, so that its messages are
kept, and its acknowledgements leave, in the order in which they came; while one committer waits for the disk
another gathers.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from django.db import connection, transaction

from charthouse.exchange.hl7v2.api import Deframer, Envelope, FramingError, Hl7Error, ack, frame, peek
from charthouse.foundation.logging import where
from charthouse.intake.actions.take_in import hl7_coming_as, keep
from charthouse.intake.domain.arrival import Connector
from charthouse.intake.faults import passes, renew_connection

log = structlog.get_logger("charthouse.intake")

#: Seconds a committer waits for company, in how many steps, and how many messages it commits at once.
GROUP_WAIT = 0.003
_STEPS = 3
GROUP_SIZE = 256
_COMMITTERS = 2
#: A connection that was lost since the last group is noticed only when it is used; the next has a new one.
_TRIES = 2
#: Seconds a thread may keep the interpreter when another wants it. The default, 5 ms, is as long as a whole commit.
_SWITCH = 0.0005
_CHUNK = 1 << 16
_IN_FLIGHT = 64


@dataclass(slots=True)
class _Pending:
    data: bytes
    batch: str
    kept: asyncio.Future[bool]
    envelope: Envelope | None = None
    fault: Hl7Error | None = None

    def read(self) -> None:
        """Read the envelope, once for keeping and for answering."""
        try:
            self.envelope = peek(self.data)
        except Hl7Error as error:
            self.fault = error


class _Committer:
    """Keeps messages, group by group, in a thread with a database connection of its own."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[_Pending] = asyncio.Queue(maxsize=4 * GROUP_SIZE)
        #: how many connections keep to it
        self.connections = 0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self.waiting.get()]
            for _ in range(_STEPS):
                # Senders that wait for each answer have one message under way, so no more than this can come.
                if self.waiting.qsize() + 1 >= min(self.connections, GROUP_SIZE):
                    break
                await asyncio.sleep(GROUP_WAIT / _STEPS)
            while len(group) < GROUP_SIZE and not self.waiting.empty():
                group.append(self.waiting.get_nowait())
            kept = await loop.run_in_executor(self.thread, _commit, group)
            for pending, done in zip(group, kept, strict=True):
                if not pending.kept.done():
                    pending.kept.set_result(done)


class MllpListener:
    """Listens on ``host:port``; ``tls`` turns TLS on. ``idle`` is seconds of silence after which a connection is
    closed, ``connections`` how many may be open."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        idle: float = 3600,
        connections: int = 1000,
        max_bytes: int = 64 << 20,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._idle = idle
        self._most = connections
        self._max_bytes = max_bytes
        self._committers = [_Committer() for _ in range(_COMMITTERS)]
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Listen until ``stop`` is set, then acknowledge what was received whole. ``port`` 0 chooses a free one."""
        sys.setswitchinterval(_SWITCH)
        server = await asyncio.start_server(self._accept, self._host, self._port, ssl=self._tls, limit=_CHUNK)
        self._port = server.sockets[0].getsockname()[1]
        log.info("mllp listening", port=self._port)
        running = [asyncio.create_task(committer.run()) for committer in self._committers]
        if ready:
            ready.set()
        waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({waiter, *running}, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        if not any(task.done() for task in running):
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
        waiter.cancel()
        failed = [task for task in running if task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for committer in self._committers:
            committer.thread.shutdown()
        for task in failed:
            task.result()

    @property
    def port(self) -> int:
        """The port in use."""
        return self._port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._most:
            log.warning("mllp connection refused: too many are open", count=len(self._open))
            writer.close()
            return
        task = asyncio.create_task(self._connection(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends; what came whole is answered, also when the listener stops."""
        answers: asyncio.Queue[_Pending | bytes | None] = asyncio.Queue(maxsize=_IN_FLIGHT)
        answering = asyncio.create_task(self._answer(answers, writer))
        committer = min(self._committers, key=lambda each: each.connections)
        committer.connections += 1
        try:
            await self._read(reader, writer, answers, committer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # silent for too long, or gone
        finally:
            await answers.put(None)
            await answering
            committer.connections -= 1
            writer.close()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.Queue[_Pending | bytes | None],
        committer: _Committer,
    ) -> None:
        peer = writer.get_extra_info("peername")
        name = str(peer[0]) if peer else ""
        deframer = Deframer(self._max_bytes)
        while True:
            async with asyncio.timeout(self._idle):
                chunk = await reader.read(_CHUNK)
            if not chunk:
                return
            try:
                messages = deframer.feed(chunk)
                fault = None
            except FramingError as error:
                messages, fault = error.messages, error
            for message in messages:
                await answers.put(await _take(message, name, committer))
            if fault:
                await answers.put(ack(b"", "AR", fault.reason))
                return

    async def _answer(self, answers: asyncio.Queue[_Pending | bytes | None], writer: asyncio.StreamWriter) -> None:
        while (answer := await answers.get()) is not None:
            data = await _acknowledge(answer) if isinstance(answer, _Pending) else answer
            if writer.is_closing():
                continue
            try:
                writer.write(frame(data))
                await writer.drain()
            except OSError:
                continue  # the sender is gone; what it sent is kept all the same


async def _take(data: bytes, peer: str, committer: _Committer) -> _Pending:
    """Hand a message to the committer."""
    pending = _Pending(data, peer, asyncio.get_running_loop().create_future())
    await committer.waiting.put(pending)
    return pending


def _commit(group: Sequence[_Pending]) -> list[bool]:
    """Keep a group of messages, durably; whether each was kept. Runs in the committer's thread, which has its own
    connection. A group that the database refuses is kept message by message, so that the others of it are."""
    for each in group:
        each.read()
    fault: Exception | None = None
    for _ in range(_TRIES):
        try:
            coming = [hl7_coming_as(each.envelope, each.data, Connector.MLLP, None, each.batch) for each in group]
            with transaction.atomic(), connection.cursor() as cursor:
                keep(cursor, coming)
            return [True] * len(group)
        except Exception as error:
            fault = error
            renew_connection()
            if not passes(error):
                break
    assert fault is not None
    log.error("messages could not be kept", count=len(group), error=where(fault))
    if len(group) == 1 or passes(fault):
        return [False] * len(group)
    return [done for each in group for done in _commit([each])]


async def _acknowledge(pending: _Pending) -> bytes:
    """The answer to one message, when it is known whether it was kept."""
    kept = await pending.kept
    to = pending.envelope or pending.data
    if not kept:
        return ack(to, "AE", "The message could not be kept just now; send it again.")
    return ack(to, "AR", str(pending.fault)) if pending.fault else ack(to, "AA")


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS for a listener: 1.2 or newer. Raises OSError or ssl.SSLError naming the unreadable file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
