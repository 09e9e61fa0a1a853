"""The command line: one group of commands an app.

An app's ``commands.py`` holds ``app = typer.Typer(...)``. Groups are imported when they are asked for, so that
``charthouse --help`` and ``charthouse doctor`` work where the database does not.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from charthouse.foundation import processes
from charthouse.foundation.bootstrap import configure_django
from charthouse.foundation.processes import Process

#: command name -> (module, attribute, help line, needs Django)
COMMANDS: dict[str, tuple[str, str, str, bool]] = {
    "intake": ("charthouse.intake.commands", "intake", "Take records in from files.", True),
    "senders": ("charthouse.intake.commands", "senders", "Tokens of systems that send to /intake.", True),
    "mllp": ("charthouse.intake.commands", "mllp", "The MLLP listener alone.", True),
    "filing": ("charthouse.intake.commands", "filing", "The filing of received messages alone.", True),
    "folder": ("charthouse.intake.commands", "folder", "The watch on the drop folder alone.", True),
    "record": ("charthouse.record.commands", "app", "The legal record: prove versions and signatures.", True),
    "completion": (
        "charthouse.web.commands.completion",
        "app",
        "Charts: what they are and lack, and by which rules.",
        True,
    ),
    "identity": ("charthouse.identity.commands", "app", "Find patients; see why two are one; evaluate.", False),
    "export": ("charthouse.web.commands.export", "app", "A chart as a document for somebody outside.", True),
    "fhir": ("charthouse.fhir.commands", "app", "Systems that use the FHIR API.", True),
    "retention": ("charthouse.web.commands.retention", "app", "How long charts are kept; destruction.", True),
    "people": ("charthouse.people.commands", "app", "Accounts: who signs in, and as what", True),
    "db": ("charthouse.foundation.database.commands", "app", "migrate, dump, restore, look inside", False),
    "events": ("charthouse.foundation.events.commands", "app", "How far consumers are; events that failed.", True),
    "files": ("charthouse.foundation.files.commands", "app", "Prove kept files; change their master key.", True),
    "outbox": ("charthouse.foundation.outbox.commands", "app", "Messages to other systems not yet sent.", True),
    "ledger": ("charthouse.foundation.ledger.commands", "app", "Who did and saw what: verify, seal, show.", True),
    "rules": (
        "charthouse.foundation.rulepacks.commands",
        "app",
        "The rules decided by, with their sources.",
        False,
    ),
    "words": ("charthouse.record.text_commands", "app", "How far the index of words is; making it anew.", True),
    "work": ("charthouse.foundation.work.commands", "app", "The work queues and their items.", True),
    "demo": ("charthouse.web.demo.commands", "app", "The demonstration's records.", False),
    "teaching": ("charthouse.teaching.commands", "app", "A synthetic hospital, with an answer key.", False),
    "start": ("charthouse.web.commands.start", "start", "Start everything here; Ctrl-C stops it.", False),
    "stop": ("charthouse.web.commands.start", "stop", "Stop what was started here.", False),
    "status": ("charthouse.web.commands.start", "status", "What runs here.", False),
    "doctor": ("charthouse.web.commands.doctor", "doctor", "What is missing or wrong here, in words.", False),
    "web": ("charthouse.web.commands.serve", "serve", "The web application alone.", True),
    "worker": ("charthouse.web.commands.worker", "work", "Events, outgoing messages, seals and jobs alone.", True),
    "bench": ("charthouse.web.commands.bench", "app", "Measure speed beside a comparison.", True),
}

#: What `charthouse start` runs, in this order: name, title, command.
PROCESSES = (
    Process("web", "the web application", ("web",)),
    Process("mllp", "the MLLP listener", ("mllp",)),
    Process("filing", "the filing of messages", ("filing",)),
    Process("folder", "the watch on the drop folder", ("folder",)),
    Process("worker", "the worker", ("worker",)),
)


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is named."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted([*super().list_commands(ctx), *COMMANDS])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        known = COMMANDS.get(cmd_name)
        if known is None:
            return super().get_command(ctx, cmd_name)
        module_name, attribute, _help, needs_django = known
        if needs_django:
            # A measurement starts the database itself where it needs one.
            configure_django(start_database=cmd_name != "bench" and "--help" not in sys.argv)
        target: Any = getattr(importlib.import_module(module_name), attribute)
        command = typer.main.get_command(target if isinstance(target, typer.Typer) else _alone(target))
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        if not COMMANDS:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


def _alone(function: Any) -> typer.Typer:
    """A command that is one function and no group."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command()(function)
    return single


# Tracebacks with local variables would print PHI.
app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def charthouse() -> None:
    """Charthouse: the health-records department as software."""


def main() -> None:
    """Run the command line. Configuration errors are printed as one sentence and exit with 2, those of the database
    with 1."""
    from charthouse.configuration import ConfigurationError
    from charthouse.foundation import logging

    processes.follow_supervisor()
    # For every command: structlog unconfigured prints local variables, which hold PHI.
    logging.configure()
    processes.declare_commands(COMMANDS)
    for process in PROCESSES:
        processes.declare(process)
    try:
        app(prog_name="charthouse")
    except ConfigurationError as error:
        print(f"charthouse: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        from charthouse.foundation.database.api import in_words

        if (words := in_words(error)) is None:
            raise
        print(f"charthouse: {words}", file=sys.stderr)
        raise SystemExit(1) from None
