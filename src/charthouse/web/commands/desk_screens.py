"""The screens and forms ``charthouse bench desk`` asks for: all of the desk, each as somebody who uses it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

from django.db import connection

from charthouse.foundation import clock
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.work import api as work
from charthouse.frontdesk import api as frontdesk
from charthouse.identity.api import POSSIBLE_DUPLICATES
from charthouse.intake.api import UNFILED
from charthouse.people import api as people

from .bench_screens import invented_name
from .desk_load import Site, user_name

_CTX = system_context("bench")
_HTMX = {"headers": {"HX-Request": "true"}}


@dataclass(frozen=True, slots=True)
class Screen:
    """One thing asked for: what it is called, as whom, how (a signed-in client and the turn), and the status of its
    success; a form that is shown again with a fault has another. ``paper`` is a PDF that is set, not a screen."""

    name: str
    user: str
    ask: Callable[[Any, int], Any]
    status: int = 200
    paper: bool = False


def screens(site: Site, turns: int) -> list[Screen]:
    """Everything, in an order in which each may be asked ``turns`` times and one more."""
    own = turns + 1
    return [*_boards(), *_queues(site, own), *_unfiled(own), *_desk(own), *_pairs(own), *_directories()]


def _get(name: str, user: str, path: str, **query: object) -> Screen:
    return Screen(name, user, lambda client, turn: client.get(path, query))


def _each(name: str, user: str, paths: list[str], **more: Any) -> Screen:
    return Screen(name, user, lambda client, turn: client.get(paths[turn % len(paths)], **more))


def _posts(name: str, user: str, path: Callable[[int], str], fields: Callable[[int], dict[str, Any]]) -> Screen:
    return Screen(name, user, lambda client, turn: client.post(path(turn), fields(turn)), 302)


def _boards() -> Iterator[Screen]:
    for role in Role:
        yield _get(f"board of {role.title}", user_name(role), "/")
    yield _get("board of a small facility", user_name(Role.HIT, "ISLE"), "/")


_WORKERS = {
    work.MACHINERY_QUEUE: Role.MANAGER,
    POSSIBLE_DUPLICATES: Role.HIT,
    UNFILED: Role.HIT,
}


def _queues(site: Site, turns: int) -> Iterator[Screen]:
    for code, role in _WORKERS.items():
        yield from _queue(site, code, user_name(role), turns)
        if role is Role.HIT:
            yield _get(f"{code}: a small facility's", user_name(role, "ISLE"), f"/queues/{code}/")


def _queue(site: Site, code: str, user: str, turns: int) -> Iterator[Screen]:
    path = f"/queues/{code}/"
    today = clock.now().date()
    rules = work.rules_in(_CTX, code)
    asked: dict[str, dict[str, object]] = {
        **{f"tab {tab}": {"tab": tab} for tab in ("open", "overdue", "unassigned", "mine", "held", "finished")},
        **{f"due {due}": {"due": due} for due in ("today", "week", "month")},
        "from and to": {"from": today + timedelta(days=3), "to": today + timedelta(days=4)},
        "from and to, nothing": {"from": today + timedelta(days=900), "to": today + timedelta(days=901)},
        "large facility": {"facility": site.places["MAIN"]},
        "small facility": {"facility": site.places["ISLE"]},
        "small facility, overdue": {"facility": site.places["ISLE"], "tab": "overdue"},
        "small facility, held": {"facility": site.places["ISLE"], "tab": "held"},
        "small facility, finished": {"facility": site.places["ISLE"], "tab": "finished"},
        "owner": {"owner": site.owners[5]},
        "owner, overdue": {"owner": site.owners[5], "tab": "overdue"},
        "owner, finished": {"owner": site.owners[5], "tab": "finished"},
        "owner of little": {"owner": site.owners[-1]},
        "owner of little, held": {"owner": site.owners[-1], "tab": "held"},
        **{f"rule {number}": {"rule": rule} for number, rule in enumerate(rules, 1)},
        "rule of nothing": {"rule": "people.lockout"},
        **{f"rule {n}, small facility, week": {"rule": rule, "facility": site.places["ISLE"], "due": "week"}
           for n, rule in enumerate(rules, 1)},
        **{f"rule {n}, held, large facility": {"rule": rule, "facility": site.places["MAIN"], "tab": "held"}
           for n, rule in enumerate(rules, 1)},
    }  # fmt: skip
    for name, query in asked.items():
        yield _get(f"{code}: {name}", user, path, **query)
    if later := _later(code, 5):
        yield _get(f"{code}: later page", user, path, after=later)
    waiting = work.items(_CTX, code, work.Filters(states=(work.ItemState.OPEN,)), limit=turns * 46 + 45).items
    items, rest = [str(item.id) for item in waiting[:40]], list(waiting[40:])
    yield _each(f"{code}: item", user, [f"{path}{item}" for item in items])
    yield _each(f"{code}: preview", user, [f"{path}{item}" for item in items], **_HTMX)
    yield _posts(
        f"{code}: save view", user, lambda turn: f"{path}views",
        lambda turn: {"name": "Late", "tab": "overdue", "due": "week", "owner": site.owners[5]},
    )  # fmt: skip
    yield _get(f"{code}: with views", user, path, tab="overdue", due="week", owner=site.owners[5])
    one, two, many = rest[:turns], rest[turns : 2 * turns], rest[2 * turns :]

    def acts(name: str, given: list[work.WorkItem], version: int, size: int = 1, **fields: str) -> Screen:
        act = name.split(",")[0]

        def sent(turn: int) -> dict[str, Any]:
            chosen = [given[(turn * size + at) % len(given)] for at in range(size)]
            return fields | {"act": act, "item": [f"{item.id}.{item.version + version}" for item in chosen]}

        return _posts(f"{code}: {name}", user, lambda turn: f"{path}act", sent)

    if one:
        yield acts("take", one, 0)
        yield acts("note", one, 1, reason="Asked the sender.")
        yield acts("release", one, 1, reason="For somebody else.")
    if two:
        yield acts("hold", two, 0, reason="An answer.", hold_until=(today + timedelta(days=9)).isoformat())
    if many:
        yield acts("take, 40 at once", many, 0, 40)
    yield _posts(f"{code}: start next", user, lambda turn: f"{path}next", lambda turn: {})
    yield Screen(
        f"{code}: print the list", user, lambda client, turn: client.post(f"/work/{code}/print"), paper=True
    )


def _later(code: str, pages: int) -> str:
    """The place so many pages on, or as many as there are."""
    cursor = None
    for _ in range(pages):
        page = work.items(_CTX, code, cursor=cursor, limit=40)
        if page.next is None:
            break
        cursor = page.next
    return cursor or ""


def _ids(sql: str, *values: str | int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [each for (each,) in cursor.fetchall()]


def _unfiled(turns: int) -> Iterator[Screen]:
    user, today = user_name(Role.HIT), clock.now().date()
    asked: dict[str, dict[str, object]] = {
        "waiting": {},
        "filed": {"state": "filed"},
        "refused": {"state": "refused"},
        "all": {"state": "all"},
        "usual reason": {"reason": "unknown-patient"},
        "rare reason": {"reason": "internal"},
        "connector": {"connector": "folder"},
        "connector of none": {"connector": "form"},
        "since yesterday": {"since": today - timedelta(days=1)},
        "all, one day": {"state": "all", "since": today - timedelta(days=9), "until": today - timedelta(days=9)},
        "all, rare reason": {"state": "all", "reason": "internal"},
    }
    for name, query in asked.items():
        yield _get(f"unfiled: {name}", user, "/unfiled/", **query)
    waiting = _ids("SELECT message FROM intake_unfiled WHERE state = 'open' ORDER BY message LIMIT %s", 4 * turns)
    yield _get("unfiled: later page", user, "/unfiled/", after=waiting[len(waiting) // 2])
    shown, tried, refused = waiting[: 2 * turns], waiting[2 * turns : 3 * turns], waiting[3 * turns :]
    yield _each("unfiled: message", user, [f"/unfiled/{each}" for each in shown])
    yield _each("unfiled: preview", user, [f"/unfiled/{each}" for each in shown], **_HTMX)
    yield _posts(
        "unfiled: try again", user, lambda turn: f"/unfiled/{tried[turn % len(tried)]}/retry", lambda turn: {}
    )
    yield _posts(
        "unfiled: refuse", user, lambda turn: f"/unfiled/{refused[turn % len(refused)]}/refuse",
        lambda turn: {"reason": "Sent to the wrong place."},
    )  # fmt: skip


def _pairs(turns: int) -> Iterator[Screen]:
    user = user_name(Role.HIT)
    # From the end of the queue, so that nobody takes them meanwhile.
    pairs = _ids(
        "SELECT id FROM work_item WHERE queue = %s AND state = 'open' ORDER BY priority DESC, id DESC LIMIT %s",
        POSSIBLE_DUPLICATES, 4 * turns,
    )  # fmt: skip
    shown, *others = (pairs[number::4] for number in range(4))
    yield _each("pair", user, [f"/duplicates/{each}" for each in shown])
    for name, given, fields in (
        ("different", others[0], {"reason": "Two people."}),
        ("same", others[1], {"reason": "One person."}),
        ("ask", others[2], {"reason": "Which is right?"}),
    ):
        if given:
            yield Screen(
                f"pair: {name}", user,
                lambda client, turn, name=name, given=given, fields=fields: client.post(  # type: ignore[misc]
                    f"/duplicates/{given[turn % len(given)]}/{name}", fields
                ),
                302,
            )  # fmt: skip


def _person() -> dict[str, str]:
    """Somebody nobody knows, as typed at the desk."""
    pick = random.Random(uuid.uuid4().int)  # noqa: S311
    return {
        "family": f"Q{invented_name(pick, 6).lower()}", "given": f"Z{invented_name(pick, 5).lower()}",
        "birth": f"{pick.randrange(1930, 2020)}-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02}",
        "sex": pick.choice(("male", "female")), "line": f"{pick.randrange(1, 9999)} {invented_name(pick, 3)} Lane",
        "city": invented_name(pick, 3),
        "phone": f"{pick.randrange(301, 989)} {pick.randrange(201, 989)} {pick.randrange(10_000):04}",
        "once": str(uuid.uuid4()),
    }  # fmt: skip


_FORMS: dict[str, tuple[Role, dict[str, str]]] = {
    "encounter": (Role.COORDINATOR, {"class": "AMB", "state": "in-progress"}),
    "coverage": (Role.COORDINATOR, {"payer": "Bench Mutual", "member": "B 1"}),
    "document": (Role.COORDINATOR, {"type": "64290-0", "date": "1 Nov 2026"}),
    "vital-signs": (Role.MED_TECH, {"pulse": "72", "pulse_unit": "/min"}),
    "allergy": (Role.PHYSICIAN, {"statement": "allergy", "substance": "Penicillin", "criticality": "low"}),
    "note": (Role.PHYSICIAN, {"type": "11506-3", "text": "Stable. Continue."}),
}


def _desk(turns: int) -> Iterator[Screen]:
    user = user_name(Role.COORDINATOR)
    known = _ids("SELECT person FROM identity_source_patient ORDER BY patient LIMIT 400")
    names = _ids(
        "SELECT family || '|' || given || '|' || birth FROM identity_source_patient ORDER BY patient LIMIT 400"
    )

    def typed(turn: int) -> dict[str, str]:
        family, given, birth = names[turn % len(names)].split("|")
        kinds: list[dict[str, str]] = [
            {"family": family[:3]},
            {"family": family, "given": given[:2]},
            {"family": family, "given": given.split()[0], "birth": birth},
            {"birth": birth},
        ]
        return kinds[turn % 4]

    yield _get("patient index", user, "/find/")
    yield Screen("patient index: as typed", user, lambda client, turn: client.post(
        "/find/suggest", {"text": " ".join(list(typed(turn).values())[:2])}
    ))  # fmt: skip
    yield _get("register", user, "/register/")
    yield Screen("register: look-alikes", user, lambda client, turn: client.post("/register/alike", typed(turn)))
    yield _posts("register: filed", user, lambda turn: "/register/", lambda turn: _person())
    charts = [f"/chart/{each}/" for each in known]
    yield _each("demographics", user, [f"{each}demographics/" for each in charts])
    yield _each("correct", user, [f"{each}demographics/correct" for each in charts])
    corrected = [(chart, _correction(person)) for chart, person in zip(charts, known[:turns], strict=False)]
    yield Screen(
        "correct: filed", user,
        lambda client, turn: client.post(
            f"{corrected[turn % len(corrected)][0]}demographics/correct", corrected[turn % len(corrected)][1]
        ),
        302,
    )  # fmt: skip
    for form, (role, fields) in _FORMS.items():
        yield _each(f"{form}", user_name(role), [f"{each}new/{form}" for each in charts])
        yield _posts(
            f"{form}: filed", user_name(role),
            lambda turn, form=form: f"{charts[turn % len(charts)]}new/{form}",  # type: ignore[misc]
            lambda turn, form=form, fields=fields: fields | {"once": str(uuid.uuid4())} | _paper(form),  # type: ignore[misc]
        )  # fmt: skip


def _correction(person: UUID) -> dict[str, str]:
    """The form of a correction as the screen shows it, with one thing changed."""
    found = frontdesk.open_demographics(_CTX, person)
    typed = {name: str(value) for name, value in asdict(found.person).items() if value}
    return typed | {"city": f"Dixon {uuid.uuid4().hex[:6]}", "reason": "Moved.", "version": str(found.version)}


def _paper(form: str) -> dict[str, Any]:
    if form != "document":
        return {}
    from PIL import Image

    made = BytesIO()
    Image.new("L", (220, 300), uuid.uuid4().int % 256).save(made, "PNG", pnginfo=_different())
    made.seek(0)
    made.name = "card.png"
    return {"file": made}


def _different() -> Any:
    from PIL.PngImagePlugin import PngInfo

    said = PngInfo()
    said.add_text("number", uuid.uuid4().hex)
    return said


def _directories() -> Iterator[Screen]:
    admin, hit = user_name(Role.ADMINISTRATOR), user_name(Role.HIT)
    entries = _ids("SELECT id FROM people_practitioner ORDER BY id LIMIT 100")
    accounts = _ids("SELECT id FROM people_user ORDER BY id LIMIT 60")
    place, assigner = people.facilities()[0].id, people.mrn_assigners()[0].id
    yield _get("practitioners", hit, "/practitioners/")
    yield _get("practitioners: later page", hit, "/practitioners/", after=entries[len(entries) // 2])
    yield _get("practitioners: search", hit, "/practitioners/", text="Prac")
    yield _get("practitioners: likely duplicates", hit, "/practitioners/", view="duplicates")
    yield _each("practitioner", hit, [f"/practitioners/{each}" for each in entries])
    yield _each("practitioner: merge", hit, [f"/practitioners/{each}/merge" for each in entries])
    yield _get("practitioner: merge, search", hit, f"/practitioners/{entries[0]}/merge", text="Prac")
    yield _get("facilities", hit, "/facilities/")
    yield _get("facility", admin, f"/facilities/{place}")
    yield _get("facility: add", admin, "/facilities/add")
    yield _get("assigner", admin, f"/facilities/assigners/{assigner}")
    yield _get("assigner: add", admin, "/facilities/assigners/add")
    yield _get("people", admin, "/people/")
    yield _get("people: by name", admin, "/people/", text="tech")
    yield _get("people: by role and state", admin, "/people/", role=Role.HIT.value, state="never-signed-in")
    yield _get("people: by facility", admin, "/people/", facility=place)
    yield _each("person", admin, [f"/people/{each}" for each in accounts])
    yield _get("invite", admin, "/people/invite")
    yield _get("own account", hit, "/account/")
    yield _get("rules", hit, "/rules/")
    yield _get("rule", hit, "/rules/identity.decision")
    yield _get("tour", hit, "/tour/")
    yield _get("ledger", user_name(Role.AUDITOR), "/ledger/")
