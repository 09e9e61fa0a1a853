"""Logs: one JSON object a line, without PHI.

What is logged is a fixed sentence and named values. A value comes out only under a name that is allowed here, and
only when it is a number, a time, an identifier, an enumeration or a short word; anything else is replaced by its
type's name. Messages of libraries come out as their template, without what was to be put in. An exception comes out
as its class and the places it went through: its text may quote data (a database says which key was there already).
"""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO
from uuid import UUID

import orjson
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["ALLOWED", "Described", "allow", "bind_request", "bound", "clear", "configure", "redact", "where"]

#: names whose values come out. A name that may hold a person's data is never put here.
ALLOWED: frozenset[str] = frozenset(
    {
        *("event", "level", "timestamp", "logger"),
        *("request", "session", "actor", "part", "method", "status", "route", "action", "version"),
        *("consumer", "event_id", "kind", "queue", "item", "task", "job", "channel", "connector", "port"),
        *("destination", "message_id", "file", "key_id", "rule", "pack", "migration", "state", "outcome"),
        *("count", "done", "total", "attempts", "seconds", "milliseconds", "bytes", "pid", "worker", "process"),
        *("error", "exception", "sqlstate", "at"),
    }
)
_allowed: set[str] = set(ALLOWED)


class Described(str):
    """A failure put in words by :func:`where`: the only text that comes out under the name ``error``."""

    __slots__ = ()


_LONGEST = 300
_SAFE = (bool, int, float, UUID, datetime, date, time, timedelta)
_FRAMES = 12
_PACKAGE = Path(__file__).resolve().parent.parent
_SITE = "site-packages/"
#: loggers whose templates are already filled in when they log; only their ``action`` comes out
_FILLED_IN = ("procrastinate",)
#: Django's logger of answers from 400 on
_REQUESTS = "django.request"


def allow(*names: str) -> None:
    """Let values under these names come out too; for an app's own counts and codes, never for a person's data."""
    _allowed.update(names)


def configure(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs, Charthouse's and the libraries', as JSON lines to ``stream`` (standard error)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_template, *shared],
            use_get_message=False,
            processors=[_exception, structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("procrastinate", "pikepdf"):
        logging.getLogger(name).setLevel(logging.WARNING)


def bind_request(*, request: str, session: str = "", actor: str = "") -> None:
    """Put the request's, session's and user's ids on every later line of this thread or task."""
    bind_contextvars(**{name: value for name, value in _pairs(request, session, actor) if value})


@contextmanager
def bound(**values: str | int) -> Iterator[None]:
    """Put values on every line logged within the block."""
    with bound_contextvars(**values):
        yield


def clear() -> None:
    """Forget what was bound; called when a request ends."""
    clear_contextvars()


def where(error: BaseException) -> Described:
    """A failure in words without data: its class, its SQLSTATE, and the last place in Charthouse it went
    through."""
    code = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    words = type(error).__name__ + (f" [{code}]" if code else "")
    frames = _frames(error.__traceback__)
    own = [frame for frame in frames if frame.startswith("charthouse/")]
    place = (own or frames)[-1:]
    return Described(f"{words} at {place[0]}" if place else words)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep allowed names with harmless values; count what was held back under ``withheld``."""
    kept: dict[str, Any] = {}
    withheld = 0
    for name, value in event.items():
        if name in _allowed and (name != "error" or isinstance(value, Described | BaseException)):
            kept[name] = _harmless(value)
        else:
            withheld += 1
    if withheld:
        kept["withheld"] = withheld
    return kept


def _harmless(value: Any, depth: int = 0) -> Any:
    if value is None:
        return None
    if isinstance(value, enum.Enum):
        return value.name
    if type(value) in _SAFE:
        return str(value) if isinstance(value, timedelta | UUID) else value
    if isinstance(value, BaseException):
        return str(where(value))
    if type(value) in {str, Described}:
        value = str(value)
        return value if len(value) <= _LONGEST else value[:_LONGEST] + "…"
    if type(value) in {list, tuple, set, frozenset} and depth < 2:
        return [_harmless(part, depth + 1) for part in list(value)[:_FRAMES]]
    return f"<{type(value).__name__}>"


def _template(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For a library's record: its message before anything was put in."""
    record: logging.LogRecord = event["_record"]
    if record.name == _REQUESTS:
        # "%s: %s" of an answer's phrase and its path says nothing unfilled, and a path may hold what was typed.
        event["event"] = "A request was refused or failed."
        event["status"] = getattr(record, "status_code", None)
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        event["route"] = getattr(match, "route", None)
    elif record.name.split(".")[0] in _FILLED_IN:
        event["event"] = str(getattr(record, "action", "message"))
    else:
        event["event"] = record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"
    event.pop("positional_args", None)
    return event


def _exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    event.pop("exc_text", None)
    event.pop("stack_info", None)
    error = _error_of(info, event)
    if error is not None:
        event["exception"] = _chain(error)
    else:
        event.pop("exception", None)
    return event


def _error_of(info: Any, event: Mapping[str, Any]) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):
        return info[1]
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and record.exc_info and record.exc_info[1] is not None:
        return record.exc_info[1]
    return sys.exc_info()[1] if info is True else None


def _chain(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    present: BaseException | None = error
    while present is not None and id(present) not in seen and len(seen) < 4:
        seen.add(id(present))
        lines.append(where(present))
        lines.extend(f"  {frame}" for frame in _frames(present.__traceback__)[-_FRAMES:])
        present = present.__cause__ or (None if present.__suppress_context__ else present.__context__)
    return ["\n".join(lines)[:4000]]


def _frames(traceback: TracebackType | None) -> Sequence[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{_short(code.co_filename)}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    return frames


def _short(filename: str) -> str:
    path = Path(filename)
    if path.is_relative_to(_PACKAGE):
        return "charthouse/" + path.relative_to(_PACKAGE).as_posix()
    if _SITE in path.as_posix():
        return path.as_posix().rsplit(_SITE, 1)[1]
    return path.name


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(dict(event), default=lambda value: f"<{type(value).__name__}>").decode()


def _pairs(request: str, session: str, actor: str) -> tuple[tuple[str, str], ...]:
    return ("request", request), ("session", session), ("actor", actor)
