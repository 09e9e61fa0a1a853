"""The MLLP listener: many connections, one committer, an acknowledgement only for what is on disk.

Messages of all connections are committed together: the committer takes what has come while the commit before it
ran, and waits a few milliseconds at most for more. Each connection's acknowledgements leave in the order its
messages came.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from django.db import connection, transaction

from charthouse.exchange.hl7v2.api import Deframer, FramingError, Hl7Error, ack, frame, peek
from charthouse.foundation.logging import where
from charthouse.intake.actions.take_in import hl7_coming, keep
from charthouse.intake.domain.arrival import Connector
from charthouse.intake.faults import passes, renew_connection

log = structlog.get_logger("charthouse.intake")

#: Seconds the committer waits for company, and how many messages it commits at once.
GROUP_WAIT = 0.003
GROUP_SIZE = 256
_CHUNK = 1 << 16
_IN_FLIGHT = 64


@dataclass(slots=True)
class _Pending:
    data: bytes
    batch: str
    kept: asyncio.Future[bool]


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
        self._waiting: asyncio.Queue[_Pending] = asyncio.Queue(maxsize=4 * GROUP_SIZE)
        self._open: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    async def serve(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Listen until ``stop`` is set, then acknowledge what was received whole. ``port`` 0 chooses a free one."""
        server = await asyncio.start_server(self._accept, self._host, self._port, ssl=self._tls, limit=_CHUNK)
        self._port = server.sockets[0].getsockname()[1]
        log.info("mllp listening", port=self._port)
        committer = asyncio.create_task(self._commit_all())
        if ready:
            ready.set()
        waiter = asyncio.create_task(stop.wait())
        await asyncio.wait({waiter, committer}, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        if not committer.done():
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
        waiter.cancel()
        committer.cancel()
        await asyncio.gather(committer, return_exceptions=True)
        self._thread.shutdown()
        if not stop.is_set():
            committer.result()

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
        answers: asyncio.Queue[Awaitable[bytes] | None] = asyncio.Queue(maxsize=_IN_FLIGHT)
        answering = asyncio.create_task(self._answer(answers, writer))
        try:
            await self._read(reader, writer, answers)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # silent for too long, or gone
        finally:
            await answers.put(None)
            await answering
            writer.close()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.Queue[Awaitable[bytes] | None],
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
                await answers.put(await self._take(message, name))
            if fault:
                await answers.put(_ready(ack(b"", "AR", fault.reason)))
                return

    async def _take(self, data: bytes, peer: str) -> Awaitable[bytes]:
        pending = _Pending(data, peer, asyncio.get_running_loop().create_future())
        await self._waiting.put(pending)
        return asyncio.ensure_future(_acknowledge(pending))

    async def _answer(self, answers: asyncio.Queue[Awaitable[bytes] | None], writer: asyncio.StreamWriter) -> None:
        while (answer := await answers.get()) is not None:
            data = await answer
            if writer.is_closing():
                continue
            try:
                writer.write(frame(data))
                await writer.drain()
            except OSError:
                continue  # the sender is gone; what it sent is kept all the same

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self._waiting.get()]
            if self._waiting.empty() and len(self._open) > 1:
                await asyncio.sleep(GROUP_WAIT)
            while len(group) < GROUP_SIZE and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            kept = await loop.run_in_executor(self._thread, _commit, group)
            for pending, done in zip(group, kept, strict=True):
                if not pending.kept.done():
                    pending.kept.set_result(done)


def _commit(group: Sequence[_Pending]) -> list[bool]:
    """Keep a group of messages, durably; whether each was kept. Runs in the committer's thread, which has its own
    connection. A group that the database refuses is kept message by message, so that the others of it are."""
    try:
        renew_connection()
        coming = [hl7_coming(each.data, Connector.MLLP, None, each.batch) for each in group]
        with transaction.atomic(), connection.cursor() as cursor:
            keep(cursor, coming)
    except Exception as error:
        log.error("messages could not be kept", count=len(group), error=where(error))
        renew_connection()
        if len(group) == 1 or passes(error):
            return [False] * len(group)
        return [done for each in group for done in _commit([each])]
    return [True] * len(group)


async def _acknowledge(pending: _Pending) -> bytes:
    """The answer to one message, when it is known whether it was kept."""
    if not await pending.kept:
        return ack(pending.data, "AE", "The message could not be kept just now; send it again.")
    try:
        peek(pending.data)
    except Hl7Error as error:
        return ack(pending.data, "AR", str(error))
    return ack(pending.data, "AA")


def _ready(data: bytes) -> Awaitable[bytes]:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.set_result(data)
    return future


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS for a listener: 1.2 or newer. Raises OSError or ssl.SSLError naming the unreadable file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
