"""``charthouse bench completion-desk``: server time of the screens of completion over a full house's charts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import psycopg
import typer
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from charthouse.completion import api as completion
from charthouse.completion.api import ANALYSIS
from charthouse.configuration import configuration
from charthouse.foundation.access.api import Role, system_context
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.measuring import DropIt, Keep, Use, bench_database
from charthouse.people import api as people
from charthouse.record.api import TYPE_ID

from . import desk_load as load
from .bench_screens import fill_people, percentile, signed_in_as, timed

LIMIT = 100.0
_CTX = system_context("bench")

# Charts of five years; what is not complete is of the last months, as it is in a house at work.
CHARTS = """
WITH numbers AS (
  SELECT n, nextval('record_resource_id') AS row, gen_random_uuid()::text AS id,
         p.patients[1 + (n::bigint * 7919) %% cardinality(p.patients)] AS patient,
         CASE WHEN n <= %(undone)s THEN %(now)s - make_interval(hours => (n * 31) %% 2400)
              ELSE %(now)s - make_interval(hours => 24 + (n * 17) %% 43800) END AS ended
    FROM generate_series(1, %(charts)s) AS n,
         (SELECT array_agg(id ORDER BY id) AS patients FROM record_resource WHERE type = %(patient)s) AS p
), filed AS (
  INSERT INTO record_resource (id, patient, main_low, main_high, filed_at, source, version, labels, type, state,
                               public_id, digest)
  SELECT row, patient, ended - interval '3 days', ended, ended, 1, 1, 0, %(encounter)s, 0, id, '\\x00' FROM numbers
)
INSERT INTO completion_chart (encounter, encounter_id, patient, facility, kind, service, started, discharged, state,
                              since, due, open, analysed_at, rules, reviewed_by, reviewer, version)
SELECT row, id, patient, (%(places)s::int[])[1 + n %% cardinality(%(places)s::int[])],
       (ARRAY['inpatient', 'inpatient', 'emergency', 'observation', 'same-day-surgery'])[1 + n %% 5],
       (ARRAY['Medicine', 'Surgery', 'Cardiology', 'Obstetrics', 'Pediatrics', 'Orthopedics', ''])[1 + n %% 7],
       ended - interval '3 days', ended,
       CASE WHEN n > %(undone)s THEN 'complete' WHEN ended < %(now)s - interval '30 days' THEN 'delinquent'
            ELSE 'incomplete' END,
       ended, CASE WHEN n <= %(undone)s THEN ended + interval '30 days' END,
       CASE WHEN n <= %(undone)s THEN 2 ELSE 0 END, ended, 1, '', '', 1
  FROM numbers
"""
DEFICIENCIES = """
INSERT INTO completion_deficiency (chart_id, key, manual, rule, kind, piece, what, about, says, reason, owed_by,
    owed_name, owed_because, by_hand, edited, opened, due, state, judgement, disputed, ended, ended_by, ended_how,
    version)
SELECT c.id, 'k' || n, false, 'completion.history-and-physical',
       (ARRAY['history-and-physical', 'operative-report', 'discharge-summary', 'consent', 'verbal-order',
              'progress-note'])[1 + (c.id * 3 + n) %% 6],
       'history-and-physical', 'missing', '', 'There is no such document.', '',
       CASE WHEN (c.id + n) %% 97 = 0 THEN '' ELSE p.keys[1 + (c.id * 13 + n) %% cardinality(p.keys)] END, '',
       'the attending at discharge', false, false, c.discharged, c.discharged + interval '20 days',
       CASE WHEN c.state = 'complete' THEN 'closed' ELSE 'open' END, false, false,
       CASE WHEN c.state = 'complete' THEN c.discharged END, '', '', 1
  FROM completion_chart c, generate_series(1, 2) AS n,
       (SELECT array_agg('Practitioner/' || public_id ORDER BY id) AS keys FROM people_practitioner) AS p
 WHERE c.state <> 'complete' OR n = 1
"""
# A year of snapshots, one day in fifty missed, each as large as the house.
SNAPSHOTS = """
INSERT INTO completion_snapshot (day, at, months, since, until)
SELECT (%(now)s - make_interval(days => n))::date, %(now)s - make_interval(days => n - 1), 12,
       %(now)s - interval '12 months', %(now)s FROM generate_series(1, 370) AS n WHERE n %% 50 <> 0
"""
COUNTS = """
INSERT INTO completion_snapshot_count (snapshot_id, facility, kind, service, incomplete, delinquent, discharges,
                                       opened, closed, averaged)
SELECT s.day, facility, kind, service, count(*) FILTER (WHERE state = 'incomplete'),
       count(*) FILTER (WHERE state = 'delinquent') + extract(day FROM s.day), 2, 4, 3,
       count(*) * 12
  FROM completion_snapshot s,
       (SELECT facility, kind, service, state FROM completion_chart WHERE state IN ('incomplete', 'delinquent')
         ORDER BY id LIMIT 2000) AS c
 GROUP BY 1, 2, 3, 4
"""
PARTS = """
INSERT INTO completion_snapshot_part (snapshot_id, facility, part, key, detail, number, late)
SELECT s.day, d.facility, 'owing', d.owed_by, '', d.number, d.number / 2
  FROM (SELECT facility, owed_by, count(*) AS number FROM completion_deficiency
         WHERE state IN ('open', 'proposed') GROUP BY 1, 2) AS d,
       (SELECT day FROM completion_snapshot ORDER BY day DESC LIMIT 60) AS s
"""


def bench_completion_desk(
    charts: Annotated[int, typer.Option(min=1000, help="Encounters that have a chart.")] = 1_000_000,
    open: Annotated[int, typer.Option(min=100, help="Open deficiencies; two a chart.")] = 200_000,
    requests: Annotated[int, typer.Option(min=10, help="How often each screen is asked for.")] = 40,
    seed: Annotated[int, typer.Option()] = 1,
    only: Annotated[
        list[str] | None, typer.Option(help="Only screens whose name has this in it; several times for several.")
    ] = None,
    keep: Keep = "",
    use: Use = "",
    drop_it: DropIt = False,
) -> None:
    """Measure the server time of the queue, the analysis desk, what a physician owes, the lists, the board and its
    days, through the whole web application. The slowest stands first; the last line is JSON."""
    console = Console(stderr=True)
    if keep:
        # Kept as soon as it is filled, whatever measuring comes to.
        with bench_database("bench", keep=keep):
            _filled(console, charts, open, seed)
    with bench_database("bench", use=use or keep, drop_it=drop_it and not keep):
        if not use and not keep:
            _filled(console, charts, open, seed)
        charts, open = _sizes()
        _clocked()
        measured = measure(_chosen(), requests, only or ())
    table = Table("Screen", "p50 ms", "p95 ms", "CPU ms", "Queries")
    for screen, p50, p95, spent, queries in measured:
        table.add_row(
            screen, f"{p50:.1f}", f"{'[red]' if p95 >= LIMIT else ''}{p95:.1f}", f"{spent:.1f}", str(queries)
        )
    console.print(table)
    print(
        json.dumps(
            {
                "bench": "completion-desk",
                "charts": charts,
                "open": open,
                "worst": measured[0][0],
                "worst_p95_ms": measured[0][2],
                "all_under_100_ms": measured[0][2] < LIMIT,
                "screens": {name: [p50, p95, spent] for name, p50, p95, spent, _ in measured},
            }
        )
    )


def _filled(console: Console, charts: int, open: int, seed: int) -> None:
    with Progress(console=console, transient=True) as progress:
        fill(charts, open, seed, _told(progress))
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def _told(progress: Progress) -> Callable[[str, int], load.Told]:
    def begin(words: str, total: int) -> load.Told:
        bar = progress.add_task(words, total=total)
        return lambda done: progress.update(bar, completed=done)

    return begin


def _sizes() -> tuple[int, int]:
    """How many charts there are, and how many deficiencies are open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM completion_chart),"
            " (SELECT count(*) FROM completion_deficiency WHERE state IN ('open', 'proposed'))"
        )
        charts, open = cursor.fetchone()
    return charts, open


def _clocked() -> None:
    """What the worker does of the board's counts every five minutes."""
    completion.mark_late()
    completion.join_tallies()


def fill(charts: int, open: int, seed: int, told: Callable[[str, int], load.Told]) -> None:
    """A house's charts: people and practitioners through intake, charts and deficiencies copied in, and a few
    hundred encounters that were analysed from what was filed. What the screens ask for."""
    patients = max(100, min(2_000, charts // 100))
    fill_people(patients, seed, told("Sending invented people through intake", patients))
    site = load.add_site(staff=12)
    load.send_practitioners(600, seed)
    values = {
        "charts": charts,
        "undone": open // 2,
        "now": _now(),
        "patient": TYPE_ID["Patient"],
        "encounter": TYPE_ID["Encounter"],
        "places": sorted(site.places.values())[:4],
    }
    bar = told("Copying charts and deficiencies", 2)
    with connection.cursor() as cursor:
        cursor.execute(CHARTS, values)
        bar(1)
        cursor.execute(DEFICIENCIES, {})
        bar(2)
        cursor.execute(SNAPSHOTS, {"now": _now()})
        cursor.execute(COUNTS, {})
        cursor.execute(PARTS, {})
    _clocked()
    load.send_visits(400, patients, seed, told("Sending visits through intake", 400))
    _follow()


def _now() -> Any:
    from charthouse.foundation.clock import now

    return now()


def _follow() -> None:
    from charthouse.foundation.events.api import drain, registered

    for each in registered():
        if each.name == "completion.deficiencies":
            drain(each)


def _chosen() -> dict[str, Any]:
    """Charts with what was filed for them, practitioners, and the physician of the bench, who is one of these."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.encounter FROM completion_chart c"
            " JOIN record_version v ON v.type = %s AND v.resource = c.encounter ORDER BY c.id DESC LIMIT 40",
            [TYPE_ID["Encounter"]],
        )
        real = dict(cursor.fetchall())
        cursor.execute("SELECT id FROM completion_chart WHERE state <> 'complete' ORDER BY id LIMIT 40")
        copied = [id for (id,) in cursor.fetchall()]
        cursor.execute("SELECT id, public_id FROM people_practitioner WHERE canonical_id = id ORDER BY id LIMIT 60")
        practitioners = cursor.fetchall()
        cursor.execute("SELECT id FROM people_user WHERE username = %s", [load.user_name(Role.PHYSICIAN)])
        (physician,) = cursor.fetchone()
        cursor.execute(
            "SELECT due, id FROM completion_chart WHERE state <> 'complete' ORDER BY due, id OFFSET 50000 LIMIT 1"
        )
        place = cursor.fetchone()
        cursor.execute(
            "SELECT due, id FROM (SELECT due, id FROM completion_deficiency WHERE state IN ('open', 'proposed')"
            " AND due IS NOT NULL ORDER BY due DESC, id DESC LIMIT 40) AS last ORDER BY due, id LIMIT 1"
        )
        end = cursor.fetchone()
        cursor.execute("SELECT day FROM completion_snapshot ORDER BY day DESC LIMIT 20")
        days = [day for (day,) in cursor.fetchall()]
    # A database that was kept may hold facts as an earlier version read them.
    completion.analyse_charts(real.values())
    if not people.account_links([f"user:{physician}"], []):
        people.link_practitioner(_CTX, physician, practitioners[7][0])
    return {
        "real": list(real),
        "copied": copied,
        "practitioners": practitioners,
        "place": place,
        "end": end,
        "days": days,
    }


def measure(
    chosen: dict[str, Any], requests: int, only: Sequence[str] = ()
) -> list[tuple[str, float, float, float, int]]:
    """Each screen so often after a first that is not counted: its name, p50 and p95 in ms, the processor's ms of
    this process (without the database's), and its queries."""
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    # The scratch database is no real site: its accounts need no authenticator.
    os.environ["CHARTHOUSE_KIND"] = "demo"
    configuration.cache_clear()
    found = []
    for user, asked in _screens(chosen).items():
        client = signed_in_as(user, load.PASSWORD)
        for name, paths in asked.items():
            if only and not any(each in name for each in only):
                continue

            def ask(client: Any, turn: int, paths: list[str] = paths) -> Any:
                return client.get(paths[turn % len(paths)])

            with CaptureQueriesContext(connection) as captured:
                timed(ask, client, 0, name=name)
                queries = len(captured)
            spent = time.process_time()
            times = [timed(ask, client, turn, name=name) for turn in range(1, requests + 1)]
            spent = round((time.process_time() - spent) * 1000 / requests, 1)
            found.append((name, percentile(times, 50), percentile(times, 95), spent, queries))
    return sorted(found, key=lambda each: -each[2])


def _screens(chosen: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    keys = [f"Practitioner/{public_id}" for _, public_id in chosen["practitioners"]]
    listed, single = "/incomplete/", "/incomplete/deficiencies"
    later = {}
    if chosen["place"]:
        due, id = chosen["place"]
        later = {"list: page 1,250": [f"{listed}?after={_cursor(due, id)}"]}
    if chosen["end"]:
        later |= {"deficiencies: last page": [f"{single}?after={_cursor(*chosen['end'])}"]}
    technician: dict[str, list[str]] = {
        "list": [listed],
        **{f"list: {name}": [f"{listed}?{query}"] for name, query in _FILTERS.items()},
        "list: one practitioner": [f"{listed}?practitioner={key}" for key in keys],
        "deficiencies": [single],
        **{f"deficiencies: {name}": [f"{single}?{query}"] for name, query in _SINGLE.items()},
        "deficiencies: one practitioner": [f"{single}?practitioner={key}" for key in keys],
        **later,
        "analysis desk": [f"{listed}{id}" for id in chosen["real"] or chosen["copied"]],
        "analysis desk, no documents": [f"{listed}{id}" for id in chosen["copied"]],
        "add": [f"{listed}{id}/add" for id in chosen["copied"]],
        "board": [f"{listed}board"],
        "board: a year": [f"{listed}board?days=365"],
        "days: a year": [f"{listed}days?days=365"],
        "a day": [f"{listed}days/{day}" for day in chosen["days"]],
        "report of this month": [f"{listed}report"],
        "report of a month": [f"{listed}report?period={chosen['days'][-1]:%Y-%m}"],
        "discharges": [f"{listed}discharges"],
        "practitioner": [f"/practitioners/{entry}/owes" for entry, _ in chosen["practitioners"]],
        "queue of charts": [f"/queues/{ANALYSIS}/"],
    }
    return {
        load.user_name(Role.HIT): technician,
        load.user_name(Role.PHYSICIAN): {"what I owe": ["/owed/"]},
        **{
            load.user_name(Role.HIT, code): {f"{name}, {words}": technician[name] for name in _RESTRICTED}
            for code, words in (("NORTH", "one facility"), ("ISLE", "a facility without any"))
        },
    }


def _cursor(due: datetime, id: int) -> str:
    return f"{round(due.timestamp() * 1_000_000)}.{id}"


#: What is asked for by those whose role reaches one facility as well.
_RESTRICTED = (
    "list",
    "list: delinquent",
    "list: complete",
    "list: service",
    "list: discharges of the rate",
    "deficiencies",
    "deficiencies: a kind",
    "deficiencies: a service",
    "deficiencies: closed this month",
    "board",
    "board: a year",
    "queue of charts",
)
_SINGLE = {
    "overdue": "late=1",
    "in time": "late=0",
    "a kind": "kind=verbal-order",
    "a kind, overdue": "kind=verbal-order&late=1",
    "a service": "service=Surgery",
    "a kind of a service": "kind=consent&service=Surgery",
    "a sort": "what=missing",
    "a sort that is rare": "what=unanswered",
    "nameless": "nameless=1",
    "disputed": "disputed=1",
    "closed this month": "state=closed",
    "waived this month": "state=waived",
}
_FILTERS = {
    "delinquent": "tab=delinquent",
    "complete": "tab=complete",
    "inpatient": "kind=inpatient",
    "clinic, nothing": "kind=clinic",
    "service": "service=Surgery",
    "lacking": "lacks=verbal-order",
    "lacking nothing of the kind": "lacks=nothing",
    "age": "age=3",
    "late": "late=1",
    "discharges of the rate": "tab=discharges",
    "delinquent inpatients": "tab=delinquent&kind=inpatient",
}
