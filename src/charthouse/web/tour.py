"""The tour for somebody new: what each step is, and who can take it."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from charthouse.completion.api import OWE, READ_CHARTS
from charthouse.foundation.access.api import Permission
from charthouse.foundation.ledger.api import LEDGER_READ
from charthouse.identity.api import FIND_PATIENT
from charthouse.intake.api import READ_UNFILED, UNFILED
from charthouse.people.api import OWN_ACCOUNT, SEE_DIRECTORY

from . import permissions

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``keys`` are the strokes that do it; ``url_name`` and ``arguments`` name the address of the screen
    it is on, opened by ``permission``."""

    title: str
    text: str
    try_it: str
    keys: tuple[str, ...]
    url_name: str
    permission: Permission
    arguments: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return reverse(self.url_name, args=self.arguments)


STEPS = (
    Step(
        "Your first page",
        "Today says what waits for your role, what is overdue, and whether records are coming in. Every number "
        "opens to what stands beneath it.",
        "From anywhere, press g and then h.",
        ("g", "h"),
        "home",
        permissions.OPEN_HOME,
    ),
    Step(
        "Every screen has keys",
        "The line at the foot names the usual ones; a question mark shows all of the screen at hand. Single keys "
        "never act while you type, and can be switched off in that list.",
        "Press ? here, then Esc.",
        ("?",),
        "home",
        permissions.OPEN_HOME,
    ),
    Step(
        "Find a patient",
        "Three letters of a name, a birth date in any usual form, or a record number are enough. What you type is "
        "kept in no address; that you searched stands in the ledger.",
        "Press / and type three letters; the arrow keys choose, Enter opens.",
        ("/",),
        "find",
        FIND_PATIENT,
    ),
    Step(
        "Read a chart",
        "The banner holds what must be known first. The sections lie at the left, each with its letter; what is "
        "not recorded says so.",
        "In a chart, press g and then r for results, g and then d for documents.",
        ("g", "r"),
        "find",
        permissions.READ_CHART,
    ),
    Step(
        "Where did this come from?",
        "Every item of a chart opens to the message that brought it, with its place marked and the four times: "
        "happened, written down, received, filed.",
        "On any item of a chart, press w.",
        ("w",),
        "find",
        permissions.READ_CHART,
    ),
    Step(
        "Work through a list",
        "Every list works the same: move, open, decide, come back. A message that could not be filed says why, "
        "and where in it.",
        "Press g and then u; j and k move, Enter opens, b comes back.",
        ("g", "u"),
        "queue",
        READ_UNFILED,
        (UNFILED,),
    ),
    Step(
        "What does a chart lack?",
        "Every discharged, emergency and surgical chart is compared with what its kind demands. What is missing, "
        "late or unsigned is asked of one person by name; the next chart opens by itself.",
        "Press g and then I; Enter opens a chart, B the board with the rate.",
        ("g", "I"),
        "incomplete",
        READ_CHARTS,
    ),
    Step(
        "What do you owe?",
        "What you have to sign or write stands on one page, on a telephone, too. Open each document, sign what you "
        "opened together, write what is missing, or say that it is not yours.",
        "Press g and then O; Enter opens a document.",
        ("g", "O"),
        "owed",
        OWE,
    ),
    Step(
        "Why? The rule says",
        "What decides something is a rule with its source, its number and its force. Wherever a consequence is "
        "shown, why leads to the rule.",
        "Press g and then k, and open one.",
        ("g", "k"),
        "rules",
        permissions.READ_RULES,
    ),
    Step(
        "Who is that practitioner?",
        "Senders write names in their own ways. The directory joins what is one practitioner, and shows each name "
        "as it came.",
        "Press g and then w, then f to search.",
        ("g", "w"),
        "practitioners",
        SEE_DIRECTORY,
    ),
    Step(
        "Everything is written down",
        "Who did or saw what, in which role and when, stands in the ledger, which nobody can change. Your own "
        "reading of it stands there too.",
        "Press g and then l, then f to filter.",
        ("g", "l"),
        "ledger",
        LEDGER_READ,
    ),
    Step(
        "Your account, and leaving",
        "Your name at the top opens your account: password, authenticator, where you are signed in. Lock the "
        "screen whenever you stand up; what you were writing comes back.",
        "Press L to lock, then unlock with your password.",
        ("L",),
        "account",
        OWN_ACCOUNT,
    ),
)
