"""``charthouse start``: one command that makes, brings up to date and runs everything; ``stop`` and ``status``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from charthouse.configuration import Configuration, ConfigurationError, configuration
from charthouse.foundation import clock, processes
from charthouse.foundation.database import api as database
from charthouse.foundation.instance import only_instance, running, state_file, stop_instance
from charthouse.foundation.terminal import migration_progress, step

from . import site as sites

_READY_PATIENCE = 60.0
_SEEDED = "demo-seeded"
#: The demonstration's hospital: how many people, of which seed. The tour has an unfiled message of its own.
_PEOPLE, _SEED, _NOT_PLANTED = 300, 1, "unfiled_message=0"
_FILLED = "demo-hospital"
#: Exit code of ``status`` when nothing runs, as init scripts have it.
_NOT_RUNNING = 3


def start(
    empty: Annotated[bool, typer.Option("--empty", help="Make a real site, without any demonstration.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Make a demonstration (what a first start does).")] = False,
    host: Annotated[str | None, typer.Option(help="Address the web application listens on.")] = None,
    port: Annotated[int | None, typer.Option(help="Its port.")] = None,
    mllp_host: Annotated[str | None, typer.Option(help="Address the MLLP listener listens on.")] = None,
    mllp_port: Annotated[int | None, typer.Option(help="Its port; 0 for no listener.")] = None,
    organization: Annotated[str | None, typer.Option(help="Real site: the organization's name.")] = None,
    facility: Annotated[
        list[str] | None, typer.Option(help="Real site: CODE:Name or CODE:Name:kind; repeat for several.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Real site: IANA time zone.")] = None,
    mrn_system: Annotated[str | None, typer.Option(help="Real site: system (URI) of the MRNs it assigns.")] = None,
    mrn_prefix: Annotated[str, typer.Option(help="Real site: what an MRN begins with.")] = "",
    mrn_width: Annotated[int, typer.Option(min=1, max=15, help="Real site: digits of an MRN.")] = 6,
    mrn_check_digit: Annotated[str, typer.Option(help="Real site: none, M10, M11 or ISO7064-97-10.")] = "none",
    admin_username: Annotated[str | None, typer.Option(help="Real site: the first administrator.")] = None,
    admin_name: Annotated[str | None, typer.Option(help="Real site: the administrator's name.")] = None,
    admin_email: Annotated[str | None, typer.Option(help="Real site: the administrator's e-mail address.")] = None,
    admin_password_file: Annotated[
        Path | None, typer.Option(help="Real site: a file with the password; without it one is made.")
    ] = None,
) -> None:
    """Start Charthouse here: database, web application, listener and workers. Ctrl-C stops it all.

    The first start makes a demonstration, or with --empty a real site; later ones start what is there.
    """
    began = time.monotonic()
    asked = sites.Asked(
        organization=organization,
        facilities=tuple(facility or ()),
        time_zone=time_zone,
        mrn_system=mrn_system,
        mrn_prefix=mrn_prefix,
        mrn_width=mrn_width,
        mrn_check_digit=mrn_check_digit,
        admin_username=admin_username,
        admin_name=admin_name,
        admin_email=admin_email,
        admin_password_file=admin_password_file,
    )
    _override(host=host, port=port, mllp_host=mllp_host, mllp_port=mllp_port)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    site = configuration()
    kind = sites.decide_kind(site, empty=empty, demo=demo, asked=asked)
    # Terminal closed, Ctrl-C, init system: each of them stops everything in order, also while it is starting.
    stop = processes.stop_on_signals()
    _make_folder(site.data)
    with only_instance(site.data):
        listeners = _listeners(site)
        for name, (address, its_port) in listeners.items():
            _require_free(name, address, its_port)
        # Questions before work, so that nobody waits to be asked.
        whole = password = None
        if kind == sites.REAL and (site.kind == sites.NEW or asked.anything):
            whole, password = sites.complete(asked, interactive=sys.stdin.isatty())
        server = _start_database(console)
        try:
            _bring_up_to_date(console)
            fresh = _set_up(console, kind, whole, password)
            if kind == sites.DEMO and not stop.is_set():
                _fill(console, configuration())
            _run(console, stop, server, listeners, kind, fresh, began)
        finally:
            with step(console, "Stopping the database", "Database stopped"):
                server.release()


def stop() -> None:
    """Stop the Charthouse that runs on this data directory, with its database."""
    site = configuration()
    stopped = stop_instance(site.data)
    stopped = database.stop_server() or stopped
    typer.echo("Charthouse has stopped." if stopped else "Charthouse was not running.")


def status() -> None:
    """Say what runs on this data directory. Exits with 3 when nothing does."""
    site = configuration()
    there = running(site.data)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("Data", str(site.data))
    table.add_row("Kind", {"demo": "demonstration", "real": "real site"}.get(site.kind, "not set up yet"))
    table.add_row("Database", _database_state(site))
    if there is None:
        table.add_row("Charthouse", "not running")
    else:
        table.add_row("Charthouse", f"running at {there.get('address', '?')} (process {there.get('pid', '?')})")
        for name, each in there.get("processes", {}).items():
            state = f"running (process {each['pid']})" if each["pid"] else "ended; starts again"
            again = f", started again {each['restarts']} times" if each["restarts"] else ""
            table.add_row(f"  {name}", state + again)
    Console(highlight=False).print(table)
    if there is None:
        raise typer.Exit(_NOT_RUNNING)


def _database_state(site: Configuration) -> str:
    if site.external_database:
        return "outside server"
    if database.is_running():
        return "running"
    return "starting or stopping" if database.is_running(ready=False) else "not running"


def _override(**options: str | int | None) -> None:
    """Options of the command line go before the environment and site.toml, for the processes started too."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"CHARTHOUSE_{name.upper()}"] = str(value)
    configuration.cache_clear()


def _make_folder(data: Path) -> None:
    try:
        if not data.exists():
            data.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {data} cannot be made: {error.strerror}. Choose another with CHARTHOUSE_DATA."
        ) from None


def _listeners(site: Configuration) -> dict[str, tuple[str, int]]:
    """The addresses that are listened on, by the process's name."""
    names = {process.name for process in _processes(site)}
    all_of_them = {"web": (site.host, site.port), "mllp": (site.mllp_host, site.mllp_port)}
    return {name: address for name, address in all_of_them.items() if name in names}


def _processes(site: Configuration) -> list[processes.Process]:
    return [process for process in processes.declared() if process.name != "mllp" or site.mllp_port]


def _require_free(name: str, address: str, port: int) -> None:
    """Raise ConfigurationError, naming who has it, when a port is taken or may not be used."""
    what, option = ("web application", "--port") if name == "web" else ("MLLP listener", "--mllp-port")
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except PermissionError:
        raise ConfigurationError(
            f"The {what} may not listen on port {port}: ports below 1024 need root. Choose one with {option}."
        ) from None
    except socket.gaierror:
        raise ConfigurationError(f"{address!r} is no address of this machine.") from None
    except OSError as error:
        if error.errno != 98 and "in use" not in str(error):
            raise ConfigurationError(f"The {what} cannot listen on {address}:{port}: {error.strerror}.") from None
        raise ConfigurationError(
            f"Port {port} on {address}, for the {what}, is taken{_by_whom(port)}. Choose another with {option}."
        ) from None


def _by_whom(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr[1:2] == (port,):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def _start_database(console: Console) -> database.Server:
    with step(console, "Looking for the database", "Database running") as say:
        return database.ensure_running(say)


def _bring_up_to_date(console: Console) -> None:
    """Django, and the schema of this version. Most starts find nothing to do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "charthouse.settings")
    import django

    django.setup()
    from django.db import connection

    with step(console, "Checking the schema", "Schema up to date"):
        wanting = database.pending_migrations()
        connection.close()
    if wanting:
        began = time.monotonic()
        with migration_progress() as report:
            applied = database.migrate(report)
        console.print(f"  {len(applied)} migrations applied [dim]{time.monotonic() - began:.1f} s[/dim]")


def _set_up(console: Console, kind: str, whole: sites.Asked | None, password: str | None) -> list[sites.SignIn]:
    """Make a new site what it is to be. Answers the accounts to print, none for one that was set up before."""
    from django.db import connection

    site = configuration()
    new = site.kind == sites.NEW
    try:
        if sites.is_set_up():
            if new:
                raise ConfigurationError(
                    f"The database has accounts, but {site.site_file}, which says what they are, is missing. Put "
                    'it back from a backup, or write it: kind = "real" or kind = "demo".'
                )
            return []
        if kind == sites.REAL:
            if whole is None:
                whole, password = sites.complete(sites.Asked(), interactive=sys.stdin.isatty())
            sites.write_kind(site, sites.REAL, whole.time_zone or "UTC")
            try:
                return [sites.set_up_real(whole, password)]
            except ConfigurationError:
                if new:
                    site.site_file.unlink(missing_ok=True)
                raise
        with step(console, "Making the demonstration's accounts", "Accounts made"):
            sites.write_kind(site, sites.DEMO)
            return sites.set_up_demo(configuration())
    finally:
        connection.close()


def _run(
    console: Console,
    stop: threading.Event,
    server: database.Server,
    listeners: dict[str, tuple[str, int]],
    kind: str,
    fresh: list[sites.SignIn],
    began: float,
) -> None:
    site = configuration()
    address = _address(site)
    logs = site.data / "logs"
    logs.mkdir(exist_ok=True, mode=0o700)
    supervisor = processes.Supervisor(
        _processes(site),
        logs,
        state_file(site.data),
        tell=lambda sentence: console.print(f"  [yellow]{sentence}[/yellow]"),
        watch=_DatabaseWatch(console),
        about={"address": address, "kind": kind, "mllp": f"{site.mllp_host}:{site.mllp_port}"},
    )
    with step(console, "Starting the web application and the workers", "Web application and workers started"):
        supervisor.start()
    try:
        with step(console, "Waiting until they are ready", "Ready"):
            _wait_until_ready(supervisor, listeners, stop)
        if kind == sites.DEMO and not stop.is_set():
            _seed(console, site)
        if not stop.is_set():
            _announce(console, site, address, listeners, kind, fresh, began)
    except BaseException:
        supervisor.stop()
        raise
    supervisor.run(stop)
    console.print("  Web application and workers stopped")


class _DatabaseWatch:
    """Starts the embedded database again when it has died, waiting longer after each failure. Says so, too, where
    one of our processes was the first to need it again."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pause = 1.0
        self._due = 0.0
        self._pid = database.server_pid()

    def __call__(self) -> None:
        if time.monotonic() < self._due:
            return
        if database.is_running(ready=False):
            if (pid := database.server_pid()) not in (None, self._pid):
                self._say()
                self._pid = pid
            return
        self._say()
        try:
            database.ensure_running()
            self._pid = database.server_pid()
            self._pause = 1.0
        except database.DatabaseProblem as problem:
            self._console.print(f"  [red]{problem}[/red]")
            self._due = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, 60.0)

    def _say(self) -> None:
        self._console.print("  [yellow]The database has stopped and is started again.[/yellow]")


def _wait_until_ready(
    supervisor: processes.Supervisor, listeners: dict[str, tuple[str, int]], stop: threading.Event
) -> None:
    """Wait until all listen. Raises ConfigurationError when one cannot."""
    deadline = time.monotonic() + _READY_PATIENCE
    waiting = dict(listeners)
    while waiting and not stop.is_set():
        for name, (address, port) in list(waiting.items()):
            if _answers(address, port):
                del waiting[name]
        if waiting and (failed := [each for each in supervisor.failed() if each.name in waiting]):
            log = supervisor.logs / f"{failed[0].name}.log"
            raise ConfigurationError(
                f"{processes.sentence_case(failed[0].title)} does not start. {log} says: {_last_line(log)}"
            )
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"{', '.join(waiting)} did not answer within {_READY_PATIENCE:.0f} seconds. See {supervisor.logs}."
            )
        time.sleep(0.03)


def _answers(address: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address, address)  # noqa: S104
    try:
        with socket.create_connection((here, port), timeout=1):
            return True
    except OSError:
        return False


def _last_line(log: Path) -> str:
    try:
        return (log.read_text("utf-8", "replace").strip().splitlines() or [""])[-1][:500]
    except OSError:
        return ""


def _fill(console: Console, site: Configuration) -> None:
    """Give a new demonstration its synthetic hospital, once, before anything else wants the processors."""
    filled = site.data / _FILLED
    begun = filled.with_suffix(".part")
    if filled.exists() or ((site.data / _SEEDED).exists() and not begun.exists()):
        return
    if not processes.has_command("teaching"):
        return
    day = _begun_on(begun, site)
    console.print(f"  Filing a synthetic hospital of {_PEOPLE} people")
    done = subprocess.run(
        processes.charthouse_command(
            "teaching", "build", "--patients", str(_PEOPLE), "--seed", str(_SEED), "--plant", _NOT_PLANTED,
            # The day it was begun on, so that a start that goes on makes the same people.
            "--day", day,
        ),
        env=processes.child_environment(), check=False,
    )  # fmt: skip
    # What the department did before today is told of the hospital alone, before the tour's records come.
    if done.returncode == 0 and processes.has_command("demo"):
        done = subprocess.run(
            processes.charthouse_command("demo", "department"), env=processes.child_environment(), check=False
        )
    if done.returncode == 0:
        begun.rename(filled)
    else:
        console.print("  [yellow]The hospital is not whole yet; the next start goes on.[/yellow]")


def _begun_on(begun: Path, site: Configuration) -> str:
    """The day that the hospital was begun on; where there is none, that of the last noon, and noted. A note that is
    no day was cut off before anything was filed."""
    try:
        return date.fromisoformat(begun.read_text().strip()).isoformat()
    except (FileNotFoundError, ValueError):
        # The hospital's own day ends at noon: before noon, today's has not happened yet.
        day = (clock.now().astimezone(ZoneInfo(site.time_zone)) - timedelta(hours=12)).date().isoformat()
        half = begun.with_suffix(".half")
        half.write_text(day)
        half.replace(begun)
        return day


def _seed(console: Console, site: Configuration) -> None:
    """Send the demonstration its records, once, by the command that does so, through the connectors."""
    seeded = site.data / _SEEDED
    if seeded.exists() or not processes.has_command("demo"):
        return
    console.print("  Sending the demonstration's records through the connectors")
    done = subprocess.run(
        processes.charthouse_command("demo", "seed"), env=processes.child_environment(), check=False
    )
    if done.returncode == 0:
        seeded.touch()
    else:
        console.print(
            "  [yellow]Not all of them arrived; the next start, or `charthouse demo seed`, goes on.[/yellow]"
        )


def _address(site: Configuration) -> str:
    secure = "certificate" in site.extra or site.https
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(site.host, site.host)  # noqa: S104
    return f"{'https' if secure else 'http'}://{host}:{site.port}"


def _announce(
    console: Console,
    site: Configuration,
    address: str,
    listeners: dict[str, tuple[str, int]],
    kind: str,
    fresh: list[sites.SignIn],
    began: float,
) -> None:
    console.print(f"\n  [bold]Charthouse is ready[/bold] at {address} [dim]{time.monotonic() - began:.1f} s[/dim]")
    if "mllp" in listeners:
        host, port = listeners["mllp"]
        console.print(f"  HL7 v2 over MLLP at {host}:{port}; files in {site.drop}")
    accounts = fresh or (sites.demo_accounts(site) if kind == sites.DEMO else [])
    if kind == sites.DEMO and accounts:
        console.print("\n  A demonstration with invented people. Sign in as any of these:")
    for each in accounts if kind == sites.REAL else ():
        console.print(f"\n  The first administrator is [bold]{each.username}[/bold].")
        if each.password:
            console.print(f"  Password, shown this once: [bold]{each.password}[/bold]")
    if kind == sites.DEMO and accounts:
        table = Table(box=None, show_header=False, padding=(0, 2))
        for each in accounts:
            table.add_row(each.role, f"[bold]{each.username}[/bold]", each.password)
        console.print(table)
    console.print("\n  Ctrl-C stops it.\n")
