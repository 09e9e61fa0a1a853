"""``charthouse bench crash``: parts are killed while messages flow, and nothing acknowledged is lost.

A scratch installation with a database server of its own runs as ``charthouse start`` would run it: the listener,
two filing processes, the worker and the web application. Clients send numbered messages over MLLP and HTTP, each
waiting for its answer and sending again what was not acknowledged. Meanwhile one part after the other is ended by
SIGKILL at a random moment, the database among them, and started again. At the end every acknowledged message must
be there once, filed, and every patient as the last message about them says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from charthouse.exchange.hl7v2.api import Deframer, frame
from charthouse.foundation.processes import charthouse_command, child_environment

_DATABASE = "database"
#: The parts that are started, by the command that runs each.
_PARTS = {"listener": "mllp", "filing 1": "filing", "filing 2": "filing", "worker": "worker", "web": "web"}
_ANSWER_PATIENCE = 15.0
_READY_PATIENCE = 120.0
_SETTLE_PATIENCE = 300.0
_STEPS = 12


def bench_crash(
    times: Annotated[int, typer.Option(min=1, help="How many times a part is killed.")] = 100,
    connections: Annotated[int, typer.Option(min=2, help="Senders; one of them by HTTP.")] = 6,
    pause: Annotated[float, typer.Option(min=0.05, help="The longest time between two kills, in seconds.")] = 2.0,
    seed: Annotated[int | None, typer.Option(help="Where the dice begin; a number to try a run again.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the scratch installation and its logs.")] = False,
) -> None:
    """Kill parts at random moments while messages flow; exits with 1 where an acknowledged one is lost or twice."""
    folder = Path(tempfile.mkdtemp(prefix="charthouse-crash-"))
    folder.chmod(0o711)
    environment = child_environment(
        CHARTHOUSE_DATA=str(folder / "data"),
        CHARTHOUSE_KEYS=str(folder / "keys"),
        CHARTHOUSE_MLLP_HOST="127.0.0.1",
        CHARTHOUSE_MLLP_PORT=str(_free_port()),
        CHARTHOUSE_HOST="127.0.0.1",
        CHARTHOUSE_PORT=str(_free_port()),
    )
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "CHARTHOUSE_DATABASE_ROLE"):
        environment.pop(name, None)
    asked = {"times": times, "connections": connections, "pause": pause, "seed": seed}
    # A process of its own, since this one has made itself at home in another installation.
    done = subprocess.run([sys.executable, "-m", __name__, json.dumps(asked)], env=environment, check=False)
    if keep or done.returncode:
        typer.echo(f"The scratch installation is kept under {folder}.", err=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        raise typer.Exit(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Senders


@dataclass(slots=True)
class Sent:
    """What one sender was told: the numbers acknowledged, the last step of each patient, and how often it had to
    send again."""

    acknowledged: list[str] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    again: int = 0


@dataclass(slots=True)
class Sender:
    """Sends messages about its own patients, one after the other; the next only when this one is acknowledged."""

    name: str
    deliver: Callable[[bytes], bool]
    stop: threading.Event
    sent: Sent = field(default_factory=Sent)
    patients: ClassVar[int] = 5

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            patient = f"{self.name}P{number % self.patients}"
            step = number // self.patients
            control = f"{self.name}N{number}"
            data = message(control, patient, step)
            while not self.deliver(data):
                self.sent.again += 1
                if self.stop.wait(0.05):
                    return  # never acknowledged: whether it is kept or not, nobody was told
            self.sent.acknowledged.append(control)
            self.sent.last[patient] = step
            number += 1


def message(control: str, patient: str, step: int) -> bytes:
    """The message of one step in a patient's stays: an admission, transfers, a discharge, and again."""
    stay, place = divmod(step, _STEPS)
    event = "A01" if place == 0 else "A03" if place == _STEPS - 1 else "A02"
    at = f"{2000 + stay % 90}01{1 + place:02}0800"
    pv1 = [""] * 46
    pv1[1:4] = ["1", "I", f"W{place}^1^A^GENERAL"]
    pv1[19], pv1[44] = f"{patient}V{stay}^^^GENERAL^VN", f"{at}00+0000"
    if event == "A03":
        pv1[45] = f"{at}00+0000"
    lines = [
        f"MSH|^~\\&|CRASH|GENERAL|CHARTHOUSE|HIM|{at}00+0000||ADT^{event}^ADT_{event}|{control}|P|2.5.1",
        f"EVN|{event}|{at}00+0000",
        f"PID|1||{patient}^^^GENERAL^MR||Crash{patient}^Step{step}||19700101|F",
        "PV1|" + "|".join(pv1[1:]),
    ]
    return ("\r".join(lines) + "\r").encode()


class Mllp:
    """Delivery over one MLLP connection, made anew when it breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def __call__(self, data: bytes) -> bool:
        """Whether the message was acknowledged with AA."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_ANSWER_PATIENCE)
            self._socket.sendall(frame(data))
            deframer = Deframer()
            while True:
                chunk = self._socket.recv(65536)
                if not chunk:
                    raise ConnectionError("closed")
                if answers := deframer.feed(chunk):
                    return b"|AA|" in answers[0]
        except OSError:
            if self._socket is not None:
                self._socket.close()
            self._socket = None
            return False


class Http:
    """Delivery by POST to ``/intake``."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/hl7-v2"}

    def __call__(self, data: bytes) -> bool:
        """Whether the message was answered with 202."""
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_PATIENCE)
        try:
            link.request("POST", "/intake", data, self._headers)
            return link.getresponse().status == 202
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()


# The parts


class Parts:
    """The processes of the scratch installation."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a part, or start it again."""
        with (self._logs / f"{name.replace(' ', '-')}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                charthouse_command(_PARTS[name]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """End a part at once, and what it had started."""
        popen = self._running.pop(name)
        popen.kill()
        popen.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)

    def look_after(self) -> None:
        """Start again what ended by itself."""
        for name, popen in list(self._running.items()):
            if popen.poll() is not None:
                self.start(name)

    def stop(self) -> None:
        for name in list(self._running):
            self.kill(name)


def kill_database(dice: random.Random) -> None:
    """End the postmaster at once, sometimes with all its children, and start the server again."""
    import psutil

    from charthouse.foundation.database.api import ensure_running

    postmaster = psutil.Process(ensure_running().pid)
    victims = [postmaster]
    if dice.random() < 0.5:
        victims += postmaster.children(recursive=True)
    for each in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    ensure_running()


# The run


def run(*, times: int, connections: int, pause: float, seed: int | None) -> bool:
    """Run the whole and print its figures as one JSON line; whether all is well. For a process of its own, whose
    environment names the scratch installation."""
    from charthouse.configuration import configuration
    from charthouse.foundation.bootstrap import configure_django
    from charthouse.foundation.database.api import ensure_running, migrate

    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    dice = random.Random(seed)  # noqa: S311
    site = configuration()
    began = time.monotonic()
    server = ensure_running()
    migrate()
    configure_django()
    parts = Parts(site.data / "logs")
    stop = threading.Event()
    killed: Counter[str] = Counter()
    try:
        for name in _PARTS:
            parts.start(name)
        for port in (site.mllp_port, site.port):
            _wait_until(lambda port=port: _answers(port), _READY_PATIENCE, "the parts answer")  # type: ignore[misc]
        senders = [
            Sender(f"S{number}", Mllp(site.mllp_port) if number else Http(site.port, _token()), stop)
            for number in range(connections)
        ]
        with _sending(senders, stop):
            _tell(f"Sending over {connections} connections; seed {seed}")
            for number in range(times):
                time.sleep(dice.uniform(0.05, pause))
                name = dice.choice([*_PARTS, _DATABASE])
                killed[name] += 1
                if name == _DATABASE:
                    kill_database(dice)
                else:
                    parts.kill(name)
                    parts.start(name)
                parts.look_after()
                _tell(f"  {number + 1} of {times}: {name}")
            for port in (site.mllp_port, site.port):
                _wait_until(lambda port=port: _answers(port), _READY_PATIENCE, "the parts answer again")  # type: ignore[misc]
            time.sleep(1)
        _tell("Waiting until all is filed")
        _wait_until(lambda: _look_after_until_empty(parts), _SETTLE_PATIENCE, "the queue is empty")
        found = _verify([sender.sent for sender in senders])
    finally:
        stop.set()
        parts.stop()
        server.stop()
    well = not any(found[name] for name in _FAULTS)
    line = {"bench": "crash", "times": times, "seed": seed, **found, "killed": dict(sorted(killed.items()))}
    print(json.dumps(line | {"seconds": round(time.monotonic() - began, 1)}), flush=True)
    return well


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _sending(senders: list[Sender], stop: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=each.run, name=each.name) for each in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _wait_until(come: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not come():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{seconds:.0f} s have gone by, and not yet: {what}.")
        time.sleep(0.2)


def _token() -> str:
    from charthouse.foundation.access.api import system_context
    from charthouse.intake.actions.manage_senders import add_sender_token

    return add_sender_token(system_context("bench"), "crash", "CRASH-HTTP")


def _rows(query: str) -> list[tuple[Any, ...]]:
    """Asked of a connection of its own: the one before may have died with the server."""
    import psycopg

    from charthouse.foundation.database.api import connection_info

    with psycopg.connect(connection_info()) as connection:
        return connection.execute(query.encode()).fetchall()


def _look_after_until_empty(parts: Parts) -> bool:
    parts.look_after()
    return _rows("SELECT count(*) FROM intake_queue") == [(0,)]


#: What must be zero in the figures.
_FAULTS = ("lost", "twice", "not_filed", "versions_twice", "wrong_patients", "ledger_damage")


def _verify(told: list[Sent]) -> dict[str, int]:
    """The figures: what was acknowledged, what of it is there, and what is as it should be."""
    acknowledged = [control for sent in told for control in sent.acknowledged]
    kept: Counter[str] = Counter()
    unfiled = 0
    for control, state in _rows("SELECT control_id, state FROM intake_message WHERE duplicate_of IS NULL"):
        kept[control] += 1
        unfiled += state != "filed"
    return {
        "acknowledged": len(acknowledged),
        "again": sum(sent.again for sent in told),
        "kept": sum(kept.values()),
        "duplicates": _rows("SELECT count(*) FROM intake_message WHERE duplicate_of IS NOT NULL")[0][0],
        "lost": sum(control not in kept for control in acknowledged),
        "twice": sum(count > 1 for count in kept.values()) + len(acknowledged) - len(set(acknowledged)),
        "not_filed": unfiled,
        "versions_twice": len(
            _rows("SELECT message FROM record_version GROUP BY message, type, resource HAVING count(*) > 1")
        ),
        "wrong_patients": _wrong_patients({name: step for sent in told for name, step in sent.last.items()}),
        "ledger_damage": _ledger_damage(),
    }


def _wrong_patients(last: dict[str, int]) -> int:
    """How many patients are not as the last acknowledged message about them says, or whose versions are not in the
    order of their messages. One message more may have been kept that was never acknowledged."""
    from charthouse.record.api import TYPE_ID, decompress

    steps: dict[str, list[int]] = {}
    for (content,) in _rows(
        f"SELECT content FROM record_version WHERE type = {TYPE_ID['Patient']} ORDER BY resource, version"  # noqa: S608
    ):
        patient = json.loads(decompress(content))
        given = patient["name"][0]["given"][0]
        steps.setdefault(patient["identifier"][0]["value"], []).append(int(given.removeprefix("Step")))
    wrong = 0
    for name, step in last.items():
        found = steps.get(name, [])
        wrong += found != list(range(len(found))) or len(found) not in (step + 1, step + 2)
    return wrong


def _ledger_damage() -> int:
    """1 where the ledger's seals do not hold, else 0."""
    done = subprocess.run(charthouse_command("ledger", "verify"), capture_output=True, text=True, check=False)
    if done.returncode:
        _tell(done.stdout + done.stderr)
    return int(done.returncode != 0)


if __name__ == "__main__":
    raise SystemExit(0 if run(**json.loads(sys.argv[1])) else 1)
