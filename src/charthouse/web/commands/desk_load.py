"""What ``charthouse bench desk`` fills a scratch database with: staff, places, visits, messages and open work.

All of it is invented and follows from a seed. What the application writes one by one in an instant goes through its
own actions and intake; what there is by the hundred thousand is copied in, row for row as the application does it.
"""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.contrib.auth.hashers import make_password
from django.db import connection

from charthouse.foundation import clock
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.copying import next_numbers
from charthouse.foundation.work import api as work
from charthouse.identity.api import POSSIBLE_DUPLICATES
from charthouse.intake.api import UNFILED, Connector, take_in
from charthouse.people import api as people
from charthouse.record.api import compress

Told = Callable[[int], None]

_CTX = system_context("bench")
_SENDER = "bench"
#: Facilities with the part of the work that is theirs; the last is so small that a filter finds next to nothing.
_PLACES = (
    ("MAIN", "Bench General Hospital", 0.45),
    ("NORTH", "Bench North Hospital", 0.2),
    ("EAST", "Bench East Clinic", 0.1),
    ("WEST", "Bench West Clinic", 0.1),
    ("LAB", "Bench Laboratory", 0.0499),
    ("ISLE", "Bench Island Clinic", 0.0001),
)
_DAY = timedelta(days=1)
#: What the roles of the bench sign in with; the database it opens is gone when the bench is.
PASSWORD = "bench-" + hashlib.sha256(b"charthouse bench desk").hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Site:
    """The places and people of the bench: facilities by code, and who holds work, the rarest owner last."""

    places: dict[str, int]
    owners: tuple[str, ...]


def user_name(role: Role, place: str = "") -> str:
    """What the bench's one account of a role signs in as."""
    return f"bench.{role.value}{f'.{place.lower()}' if place else ''}"


def add_site(staff: int) -> Site:
    """Six facilities, who numbers their charts, one account a role and ``staff`` technicians who own work; two
    technicians belong to one facility alone, the smallest and a larger one."""
    places = {
        code: people.add_facility(_CTX, people.FacilityDraft(code, name, "hospital", "UTC"))
        for code, name, _ in _PLACES
    }
    people.add_mrn_assigner(_CTX, people.MrnAssignerDraft("urn:bench:assigned", width=8))
    encoded = make_password(PASSWORD)

    def account(name: str, shown: str, role: Role, facility: int | None = None) -> str:
        made = people.add_account(
            _CTX,
            username=name,
            display_name=shown,
            roles=[role],
            facility=facility,
            password=PASSWORD,
            temporary=False,
            require_totp=False,
            encoded=encoded,
        )
        return f"user:{made.id}"

    # Whose own work is measured has some, as everybody on the desk has.
    of_role = [account(user_name(role), role.title, role) for role in Role]
    held = [of_role[at] for at, role in enumerate(Role) if role in {Role.HIT, Role.MANAGER, Role.ADMINISTRATOR}]
    owners = [account(f"tech.{number}", f"Technician {number}", Role.HIT) for number in range(staff)]
    account(user_name(Role.HIT, "ISLE"), "Technician of the island", Role.HIT, places["ISLE"])
    account(user_name(Role.HIT, "NORTH"), "Technician of the north", Role.HIT, places["NORTH"])
    return Site(places, (*held, *owners))


def send_practitioners(count: int, seed: int) -> None:
    """Practitioners as a sender names them; one in fifty is named twice."""
    pick = random.Random(seed + 1)  # noqa: S311
    lines, twin = [], {"family": "Bench", "given": ["Pat"]}
    for number in range(count):
        name = twin if number % 50 == 1 else {"family": f"Prac{_word(pick)}", "given": [_word(pick)]}
        twin = name
        lines.append(
            orjson.dumps(
                {
                    "resourceType": "Practitioner",
                    "id": f"bench-p{number}",
                    "identifier": [{"system": "urn:bench:staff", "value": f"{number:06}"}],
                    "name": [name],
                }
            )
        )
    _send(lines)


def _word(pick: random.Random) -> str:
    return "".join(pick.choice("bdfgklmnprstv") + pick.choice("aeiou") for _ in range(3)).capitalize()


def _send(lines: Sequence[bytes]) -> None:
    for _ in take_in(io.BytesIO(b"\n".join(lines)), connector=Connector.FILES, sender=_SENDER):
        pass


def send_visits(count: int, patients: int, seed: int, told: Told) -> None:
    """A year of visits: nine of ten ambulatory or emergency, the others inpatient stays of some days. Those that
    last are the inpatients of the census; a few overlap, and break it."""
    pick = random.Random(seed + 2)  # noqa: S311
    now = clock.now()
    places = [
        {
            "resourceType": "Location",
            "id": f"bench-{code.lower()}",
            "name": name,
            "identifier": [{"system": "urn:bench:place", "value": code}],
        }
        for code, name, _ in _PLACES
    ]
    _send([orjson.dumps(place) for place in places])
    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        _send([orjson.dumps(_visit(number, patients, now, pick)) for number in numbers])
        told(numbers.stop)


def _visit(number: int, patients: int, now: datetime, pick: random.Random) -> dict[str, Any]:
    begins = now - timedelta(days=pick.uniform(0, 365))
    inpatient = number % 10 == 0
    ends = begins + (timedelta(days=pick.uniform(1, 9)) if inpatient else timedelta(hours=pick.uniform(0.3, 6)))
    period = {"start": begins.isoformat()}
    if ends <= now:
        period["end"] = ends.isoformat()
    place = pick.choices(_PLACES[:2], [2, 1])[0][0].lower()
    return {
        "resourceType": "Encounter",
        "id": f"bench-v{number}",
        "status": "finished" if ends <= now else "in-progress",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "IMP" if inpatient else ("AMB", "EMER")[number % 2],
        },
        "subject": {"reference": f"Patient/bench-{pick.randrange(patients)}"},
        "period": period,
        "location": [{"location": {"reference": f"Location/bench-{place}"}, "period": period}],
    }


def copy_messages(count: int, told: Told) -> None:
    """A year of filed HL7 messages by all connectors, without their originals; the last wait to be filed."""
    source, now = _source(), clock.wall()
    connectors = [each.value for each in Connector]
    waits = min(count // 50, 2_000)
    columns = (
        "source, connector, format, kind, control_id, batch, digest, size, received_at, state, state_at, keys,"
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY intake_message ({columns} created, updated, unchanged, unfiled) FROM STDIN") as copy,
    ):
        for number in range(count):
            at = now - _DAY * 365 * (1 - number / count)
            state = "received" if number >= count - waits else "filed"
            copy.write_row(
                (source, connectors[number % len(connectors)], "hl7v2", "ADT^A08", f"M{number}", "",
                 _digest(f"filed {number}"), 900, at, state, at, "{}", 0, 1, 0, 0)
            )  # fmt: skip
            if number % 5_000 == 0:
                told(number)
        told(count)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO intake_queue (message, key) SELECT id, k FROM intake_message m, generate_series(1, 2) k"
            " WHERE m.state = 'received'"
        )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _source() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM record_source WHERE name = %s", [_SENDER])
        return int(cursor.fetchone()[0])


_HL7 = (
    "MSH|^~\\&|BENCH|MAIN|CHARTHOUSE|HIM|{at}||ORU^R01|U{number}|P|2.5.1\r"
    "PID|1||{number}^^^BENCH^MR||Nobody^Known||19700101|U\r"
    "OBR|1|||718-7^Hemoglobin^LN\r"
    "OBX|1|NM|718-7^Hemoglobin^LN||13.1|g/dL|12-17|N|||F\r"
)
#: Why messages cannot be filed, with the place at fault and how many of a thousand it is.
_FAULTS = (
    ("unknown-patient", "The patient is not in the record.", "PID-3", 900),
    ("unsupported", "Messages of this kind are not filed.", "MSH-9", 70),
    ("not-valid", "An observation has no code.", "OBX-3", 28),
    ("internal", "The filing stopped with an unexpected fault.", "", 2),
)


def copy_unfiled(count: int, settled: int, told: Told) -> list[int]:
    """Messages that could not be filed, oldest first, with their originals; ``settled`` more that were filed since
    or refused. The ids of those that wait."""
    source, now = _source(), clock.wall()
    pick = random.Random(7)  # noqa: S311
    total = count + settled
    with connection.cursor() as cursor:
        ids = next_numbers(cursor, "intake_message_id_seq", total)
        rows = [
            (id, now - _DAY * 90 * (1 - n / total), pick.choices(_FAULTS, [each[3] for each in _FAULTS])[0])
            for n, id in enumerate(ids)
        ]
        connectors = [Connector.MLLP.value] * 8 + [Connector.FOLDER.value, Connector.HTTP.value]
        with cursor.copy(
            "COPY intake_message (id, source, connector, format, kind, control_id, batch, digest, size,"
            " received_at, state, state_at, keys, created, updated, unchanged, unfiled) FROM STDIN"
        ) as copy:
            for n, (id, at, _) in enumerate(rows):
                state = "unfiled" if n < count else "filed" if n % 2 else "refused"
                copy.write_row(
                    (id, source, connectors[n % 10], "hl7v2", "ORU^R01", f"U{n}", "", _digest(f"unfiled {id}"), 300,
                     at, state, at, "{}", 0, 0, 0, 1)
                )  # fmt: skip
        with cursor.copy("COPY intake_original (message, seq, size, body) FROM STDIN") as copy:
            for n, (id, at, _) in enumerate(rows):
                body = _HL7.format(at=at.strftime("%Y%m%d%H%M"), number=n).encode()
                copy.write_row((id, 1, len(body), compress(body)))
                if n % 5_000 == 0:
                    told(n)
        with cursor.copy(
            "COPY intake_unfiled (message, source, connector, received_at, code, reason, place, found_at, attempts,"
            " state, settled_at, settled_by, note) FROM STDIN"
        ) as copy:
            for n, (id, at, (code, reason, place, _)) in enumerate(rows):
                state = "open" if n < count else "filed" if n % 2 else "dismissed"
                done = None if n < count else at + _DAY
                by = "" if n < count else "bench"
                copy.write_row(
                    (id, source, connectors[n % 10], at, code, reason, place, at, 1, state, done, by, "")
                )
    told(total)
    return ids[:count]


@dataclass(frozen=True, slots=True)
class _Matter:
    """What an item of the bench is about."""

    queue: str
    kind: str
    subject: str
    patient: str | None
    reason: str
    rule: str | None
    dedupe: str
    detail: dict[str, Any]


def matters(count: int, unfiled: Sequence[int], seed: int) -> Iterator[_Matter]:
    """``count`` matters over all queues: every message of ``unfiled``, one of ten stopped machinery, the others
    pairs of patients of the index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, public_id, person FROM identity_source_patient ORDER BY patient")
        known = cursor.fetchall()
        cursor.execute("SELECT dedupe FROM work_item WHERE queue = %s", [POSSIBLE_DUPLICATES])
        before = {dedupe for (dedupe,) in cursor.fetchall()}
    return _matters(count, unfiled, known, before, seed)


def _matters(
    count: int, unfiled: Sequence[int], known: Sequence[tuple[int, str, object]], seen: set[str], seed: int
) -> Iterator[_Matter]:
    pick = random.Random(seed + 3)  # noqa: S311
    for message in unfiled:
        reason = "The patient is not in the record."
        yield _Matter(UNFILED, "message", str(message), None, reason, None, str(message), {})
    machinery = count // 10
    for number in range(machinery):
        yield _Matter(
            work.MACHINERY_QUEUE, "event", f"bench:{seed}:{number}", None, "A consumer could not handle an event.",
            "foundation.events" if number % 1_000 == 7 else None, f"event:bench:{seed}:{number}", {"event": number},
        )  # fmt: skip
    most = min(len(seen) + count - machinery - len(unfiled), len(known) * (len(known) - 1) // 2)
    while len(seen) < most:
        one, other = sorted(pick.sample(range(len(known)), 2))
        (older, _, before), (newer, public, person) = known[one], known[other]
        if (dedupe := f"{older}-{newer}") in seen:
            continue
        seen.add(dedupe)
        yield _Matter(
            POSSIBLE_DUPLICATES, "patient", public, public,
            "The evidence lies between the bounds.",
            "identity.decision" if len(seen) % 3 else "identity.suspicious-update", dedupe,
            {"patients": [newer, older], "persons": [str(person), str(before)],
             "weight": round(pick.uniform(0, 9), 3)},
        )  # fmt: skip


def copy_items(site: Site, given: Iterator[_Matter], seed: int, finished: float, told: Told) -> None:
    """The matters as unfinished items, in every state, with owners, due dates, urgency and facilities as a
    department has them; and beside them a part of as many again that are ``finished``, each with its history."""
    pick = random.Random(seed + 4)  # noqa: S311
    now, wall = clock.now(), clock.wall()
    codes, parts = [code for code, _, _ in _PLACES], [part for _, _, part in _PLACES]
    nowhere = 1 - sum(parts)
    # The last owner has next to nothing: the filter that is hardest to answer is the one that finds least.
    owners = site.owners[:-1] or site.owners
    columns = (
        "queue, subject_kind, subject_id, patient, reason, rule, due, priority, facility, state, owner, taken_at,"
        " hold_reason, hold_until, outcome, finished_at, dedupe, detail, opened, opened_at"
    )
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY work_item ({columns}) FROM STDIN") as copy:
            for number, each in enumerate(given):
                code = pick.choices([*codes, ""], [*parts, nowhere])[0]
                state = pick.choices(("open", "taken", "held"), (70, 22, 8))[0]
                owner = (
                    pick.choice(owners) if state == "taken" or (state == "held" and pick.random() < 0.7) else None
                )
                if number % 20_011 == 11:
                    state, owner = "taken", site.owners[-1]
                # A fifth has no date; of the others some are late, some fall due today, most later.
                due = None if number % 5 == 0 else now + timedelta(days=pick.triangular(-10, 60, 5))
                priority = 0 if number % 5_000 == 1 else 1 if number % 700 == 2 else 2 if number % 50 == 3 else 3
                opened = (due or now) - timedelta(days=pick.uniform(20, 80))
                held = state == "held"
                row = (
                    each.queue, each.kind, each.subject, each.patient, each.reason, each.rule, due, priority,
                    site.places.get(code), state, owner, opened if owner else None,
                    "An answer from the sender." if held else None,
                    now + timedelta(days=pick.uniform(1, 20)) if held else None,
                )  # fmt: skip
                tail = (each.dedupe, orjson.dumps(each.detail).decode(), opened, opened)
                copy.write_row((*row, None, None, *tail))
                if pick.random() < finished:
                    done = (
                        "finished",
                        pick.choice(owners),
                        opened,
                        None,
                        None,
                        "kept as two",
                        wall - _DAY * number / 1e4,
                    )
                    copy.write_row((*row[:9], *done, *tail))
                if number % 5_000 == 0:
                    told(number)
        cursor.execute(
            "INSERT INTO work_history (item_id, at, actor, action, note, detail)"
            " SELECT id, opened_at, 'system', 'opened', reason, '{}' FROM work_item ORDER BY id"
        )
        cursor.execute(
            "INSERT INTO work_history (item_id, at, actor, action, note, detail)"
            " SELECT id, taken_at, owner, 'take', '', '{}' FROM work_item WHERE owner IS NOT NULL ORDER BY id"
        )
