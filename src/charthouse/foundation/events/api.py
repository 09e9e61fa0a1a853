"""News between apps: written with the change it tells of, read in order by consumers that keep their place.

News travels up: an app appends, apps above it consume. The worker and the command line register consumers;
there are no Django signals. A consumer sees an event once it is committed, after whatever it depends on.
"""

from __future__ import annotations

from .cluster import reanchor
from .consumer import Consumer, Event, Handler, Start, register, registered
from .log import NewEvent, append, append_many, trim
from .mending import EventNotAside, Lag, discard, forget, lag, parked, retry
from .parking import Aside, State
from .running import BATCH, drain, pump, run_once

__all__ = [
    "BATCH",
    "Aside",
    "Consumer",
    "Event",
    "EventNotAside",
    "Handler",
    "Lag",
    "NewEvent",
    "Start",
    "State",
    "append",
    "append_many",
    "discard",
    "drain",
    "forget",
    "lag",
    "parked",
    "pump",
    "reanchor",
    "register",
    "registered",
    "retry",
    "run_once",
    "trim",
]
