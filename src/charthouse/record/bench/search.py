"""``charthouse bench search``: word search in one chart and across charts, in a record full of documents.

The documents are invented: words as frequent as those of a language (Zipf), about three kilobytes each, over ten
years. Their words are made by the same functions as the index's own, and copied in; the keys of the index are made
afterwards, which is much faster than one by one. How fast the index takes in what is filed is measured apart, over
the full table.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from multiprocessing import get_context
from typing import Annotated, Any

import orjson
import psycopg
import typer
from django.db import connection, transaction

from charthouse.foundation.access.api import AccessContext, Label, Role
from charthouse.foundation.bootstrap import configure_django
from charthouse.foundation.clock import wall
from charthouse.foundation.copying import blob, copy_in, int2, int4, int8, micros
from charthouse.foundation.database.api import connection_info
from charthouse.foundation.database.measuring import DropIt, Keep, Use, bench_database
from charthouse.record.actions.file_resources import file_resources
from charthouse.record.actions.index_texts import WORD, index_texts
from charthouse.record.domain.filing import prepare
from charthouse.record.domain.packing import compress
from charthouse.record.domain.text_rows import TextSection, indexed
from charthouse.record.domain.time_buckets import bucket_of
from charthouse.record.domain.types import TYPE_ID
from charthouse.record.text_queries import COUNTED, TextFilter, search_all, search_chart

#: What a search has to stay under, in ms, for 95 of 100.
LIMIT = 100.0
_WORDS, _PER_DOCUMENT, _PER_PATIENT, _CHUNK = 40_000, 580, 100, 5_000
_DOCUMENT, _PATIENT = TYPE_ID["DocumentReference"], TYPE_ID["Patient"]
_BEGIN, _DAYS = datetime(2016, 1, 1, tzinfo=UTC), 3650
_SYLLABLES = ("ar", "be", "co", "di", "el", "fo", "ga", "hu", "in", "jo", "ka", "lo", "mi", "no", "or", "pe", "qua",
              "ri", "so", "tu", "ul", "ve", "wi", "xa", "yo", "ze")  # fmt: skip
_SERVICES = ("Cardiology", "Medicine", "Surgery", "Neurology", "Radiology")
_COLUMNS = (
    "resource",
    "patient",
    "at",
    "version",
    "labels",
    "type",
    "section",
    "title",
    "service",
    "words",
    "body",
)
_COLUMN_COUNT = len(_COLUMNS).to_bytes(2, "big")
#: An asker who may not see everything: one document in twenty is hidden.
_ASKER = AccessContext("user:1", "Ada Example", frozenset({Role.HIT}), clearance=Label.NONE)


def bench_search(
    documents: Annotated[int, typer.Option(min=1_000, help="How many documents, of about 3 kB.")] = 1_000_000,
    searches: Annotated[int, typer.Option(min=10, help="How many searches of each kind.")] = 40,
    processes: Annotated[int, typer.Option(min=1)] = 2,
    seed: Annotated[int, typer.Option()] = 1,
    keep: Keep = "",
    use: Use = "",
    drop_it: DropIt = False,
) -> None:
    """Measure searches for common and rare words, in one chart and across charts; the last line is JSON."""
    say = _said
    built: dict[str, int] = {}
    with bench_database("search", keep=keep, use=use, drop_it=drop_it):
        if use:
            documents = _documents()
            _warm(say)
        else:
            built = _build(documents, processes, seed, say)
        measured = dict(_measured(documents, searches, seed, say))
        rates = {
            f"indexed_per_s_{count}": _indexing_rate(min(2_000, documents), count, seed, say)
            for count in sorted({1, processes})
        }
        sizes = _sizes()
    chance = measured.pop("all: words that meet by chance")
    worst = max(measured.values(), key=lambda each: each["p95_ms"])
    figures = {
        "bench": "search",
        "documents": documents,
        "mean_text_bytes": sizes.pop("text"),
        **built,
        **rates,
        **sizes,
        "searches": measured,
        "words_that_meet_by_chance": chance,
        "worst_p95_ms": worst["p95_ms"],
        "all_under_100_ms": worst["p95_ms"] < LIMIT,
    }
    print(json.dumps(figures))


def _said(words: str) -> None:
    typer.echo(words, err=True)


def _vocabulary() -> list[str]:
    """Invented words, the most frequent first; the frequent are short."""
    found = (
        "".join(each)
        for size in itertools.count(1)
        for each in itertools.product(_SYLLABLES, repeat=size)
    )  # fmt: skip
    return list(itertools.islice(found, _WORDS))


def _phrases(words: list[str]) -> list[str]:
    """Pairs of words that mostly stand together, as terms do."""
    return [f"{words[300 + 7 * each]} {words[800 + 11 * each]}" for each in range(200)]


@lru_cache(maxsize=1)
def _urn() -> tuple[list[str], list[str]]:
    """The words, each as often as it is frequent, to draw from; and the phrases."""
    words = _vocabulary()
    # The rarest word is in it twice.
    return [word for rank, word in enumerate(words, start=1) for _ in range(2 * _WORDS // rank)], _phrases(words)


def _texts(start: int, count: int, seed: int) -> Iterator[str]:
    """Texts of documents ``start`` to ``start + count``; each has a word that only one in 100,000 has."""
    pick = random.Random(seed * 1_000_003 + start)  # noqa: S311
    urn, phrases = _urn()
    for number in range(start, start + count):
        chosen = pick.choices(urn, k=_PER_DOCUMENT)
        for phrase in pick.choices(phrases, k=8):
            chosen.insert(pick.randrange(_PER_DOCUMENT), phrase)
        chosen.insert(pick.randrange(_PER_DOCUMENT), _rare(number))
        yield " ".join(chosen).capitalize() + "."


def _rare(number: int) -> str:
    return f"rarity{number % 100_000}"


def _at(number: int, documents: int) -> datetime:
    return _BEGIN + timedelta(seconds=int(number * 86_400 * _DAYS / documents))


def _build(documents: int, processes: int, seed: int, say: Callable[[str], None]) -> dict[str, int]:
    """Write the documents and then the index; how many seconds each took."""
    began = time.perf_counter()
    _fill(documents, processes, seed, say)
    filled = time.perf_counter()
    _tidy(documents, say)
    return {"filled_s": round(filled - began), "index_made_s": round(time.perf_counter() - filled)}


def _documents() -> int:
    """How many documents the database was built with."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_resource WHERE type = %s AND public_id LIKE %s",
                       [_DOCUMENT, f"bench-{_DOCUMENT}-%"])  # fmt: skip
        return int(cursor.fetchone()[0])


def _warm(say: Callable[[str], None]) -> None:
    """Read the rows and the top of the index once, as a server has them that was not started just now."""
    say("reading the kept database …")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(labels) FROM record_text")
        cursor.execute("SELECT count(*), sum(r.labels) FROM record_resource r WHERE r.type = %s", [_DOCUMENT])


def _fill(documents: int, processes: int, seed: int, say: Callable[[str], None]) -> None:
    patients = max(1, documents // _PER_PATIENT)
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("DROP INDEX record_text_words, record_text_patient")
        # Looked through once, at the end.
        owner.execute("ALTER TABLE record_text SET (autovacuum_enabled = off)")
        owner.execute("SELECT setval('record_resource_id', %s)", [patients + documents + 1])
    say(f"{documents} documents of {patients} patients …")
    with connection.cursor() as cursor:
        for kind, count, first in ((_PATIENT, patients, 1), (_DOCUMENT, documents, patients + 1)):
            owner_of = "NULL" if kind == _PATIENT else f"1 + (n::bigint * 7919) %% {patients}"
            cursor.execute(
                "INSERT INTO record_resource (id, patient, main_low, main_high, filed_at, source, version, labels, "  # noqa: S608
                f"type, state, public_id, digest) SELECT %s + n, {owner_of}, "
                "%s::timestamptz + (n::bigint * 86400 * %s / %s) * interval '1 second', 'infinity', now(), 1, 1, "
                "CASE WHEN %s AND n %% 20 = 0 THEN 4 ELSE 0 END, %s, 0, 'bench-' || %s || '-' || n, '' "
                "FROM generate_series(0, %s - 1) AS n",
                [first, _BEGIN, _DAYS, count, kind == _DOCUMENT, kind, kind, count],
            )
        cursor.execute(
            "INSERT INTO record_text_term SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
            [WORD, [*_vocabulary(), *map(_rare, range(min(documents, 100_000)))]],
        )
    starts = range(0, documents, _CHUNK)
    info = connection_info()
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=configure_django)
    try:
        jobs = [
            pool.submit(_copy, info, start, min(_CHUNK, documents - start), documents, patients, seed)
            for start in starts
        ]
        for number, job in enumerate(jobs, start=1):
            job.result()
            if number % 10 == 0:
                say(f"{number * _CHUNK} written …")
    finally:
        # Broken off, what has not begun is not begun.
        pool.shutdown(cancel_futures=True)


def _copy(info: str, start: int, count: int, documents: int, patients: int, seed: int) -> None:
    """Write the rows of some documents."""
    services = [blob(service.encode()) for service in _SERVICES]
    fixed = int2(_DOCUMENT) + int2(int(TextSection.DOCUMENTS)) + blob(b"Progress note")
    rows = []
    for number, text in enumerate(_texts(start, count, seed), start=start):
        at = _at(number, documents)
        rows.append(
            _COLUMN_COUNT
            + int8(patients + 1 + number)
            + int8(1 + number * 7919 % patients)
            + int8(micros(at))
            + int4(1)
            + int4(0 if number % 20 else int(Label.HIV))
            + fixed
            + services[number % len(_SERVICES)]
            + blob(indexed(text, at).vector)
            + blob(compress(text.encode()))
        )
    with psycopg.connect(info) as own, own.cursor() as cursor:
        copy_in(cursor, "record_text", _COLUMNS, rows)


def _tidy(documents: int, say: Callable[[str], None]) -> None:
    say("making the index of words …")
    buckets = Counter(bucket_of(_at(number, documents)) for number in range(documents))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record_text_bucket SELECT * FROM unnest(%s::smallint[], %s::bigint[])",
                       [list(buckets), list(buckets.values())])  # fmt: skip
    with psycopg.connect(connection_info(owner=True), autocommit=True) as owner:
        owner.execute("ALTER TABLE record_text RESET (autovacuum_enabled)")
        owner.execute("SET maintenance_work_mem = '1GB'")
        owner.execute("CREATE INDEX record_text_patient ON record_text (patient, at DESC)")
        owner.execute("CREATE INDEX record_text_words ON record_text USING gin (words) "
                      "WITH (fastupdate = on, gin_pending_list_limit = 4096)")  # fmt: skip
        owner.execute("VACUUM ANALYZE record_text")
        owner.execute("VACUUM ANALYZE record_resource")


def _measured(
    documents: int, searches: int, seed: int, say: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    pick = random.Random(seed)  # noqa: S311
    words = _vocabulary()
    patients = max(1, documents // _PER_PATIENT)

    def ranked(low: int, high: int) -> str:
        return words[pick.randrange(low, high)]

    kinds: dict[str, Callable[[], str]] = {
        "common": lambda: ranked(0, 200),
        "medium": lambda: ranked(500, 5_000),
        "seldom": lambda: ranked(20_000, _WORDS),
        "rare": lambda: _rare(pick.randrange(min(documents, 100_000))),
        "unknown": lambda: f"unheard{pick.randrange(10**9)}",
        "two common": lambda: f"{ranked(0, 200)} {ranked(0, 200)}",
        "common and rare": lambda: f"{ranked(0, 50)} {_rare(pick.randrange(min(documents, 100_000)))}",
        "phrase": lambda: f'"{pick.choice(_phrases(words))}"',
        "without": lambda: f"{ranked(100, 500)} -{ranked(0, 100)}",
        "beginning": lambda: ranked(2_000, 10_000)[:6] + "*",
    }
    # A connection's first search is one in thousands.
    search_all(_ASKER, words[0])
    for name, made in kinds.items():
        say(f"{name} …")
        asked = [made() for _ in range(searches)]
        yield f"all: {name}", _times(lambda text: search_all(_ASKER, text).count, asked)
        chart = 1 + pick.randrange(patients)
        yield f"chart: {name}", _times(lambda text, chart=chart: search_chart(_ASKER, [chart], text).count, asked)  # type: ignore[misc]
    asked = [f'"{ranked(0, 30)} {ranked(0, 30)}"' for _ in range(searches)]
    # Words that are everywhere and stand together only by chance: every text that has both is looked at.
    yield "all: words that meet by chance", _times(lambda text: search_all(_ASKER, text).count, asked)
    dated = TextFilter(
        since=_at(documents // 2, documents).date(), until=_at(documents * 6 // 10, documents).date()
    )
    one = TextFilter(service=_SERVICES[0])
    for name, within in (("a year", dated), ("a service", one)):
        asked = [ranked(0, 2_000) for _ in range(searches)]
        yield f"all: common in {name}", _times(lambda text, w=within: search_all(_ASKER, text, w).count, asked)  # type: ignore[misc]


def _times(search: Callable[[str], int], asked: list[str]) -> dict[str, Any]:
    times, found = [], []
    for text in asked:
        began = time.perf_counter()
        found.append(search(text))
        times.append((time.perf_counter() - began) * 1000)
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
        "median_found": min(int(statistics.median(found)), COUNTED + 1),
    }


def _indexing_rate(count: int, processes: int, seed: int, say: Callable[[str], None]) -> int:
    """Documents a second that workers index, as many as ``processes``, over the full table."""
    count *= processes
    say(f"indexing {count} more with {processes} …")
    patient = b'{"resourceType":"Patient","id":"bench-indexing"}'
    filings = [prepare(orjson.loads(patient), patient)]
    run = secrets.token_hex(4)
    for number, text in enumerate(_texts(10_000_000 + processes, count, seed)):
        resource = {
            "resourceType": "DocumentReference",
            "id": f"more-{run}-{number}",
            "status": "current",
            "subject": {"reference": "Patient/bench-indexing"},
            "date": wall().isoformat(),
            "content": [
                {"attachment": {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}}
            ],
        }
        content = orjson.dumps(resource)
        filings.append(prepare(resource, content))
    with get_context("spawn").Pool(processes, initializer=configure_django) as pool:
        # Started and connected first.
        pool.map(_index, range(processes), chunksize=1)
        with transaction.atomic(), connection.cursor() as cursor:
            file_resources(cursor, filings, wall())
        began = time.perf_counter()
        done = sum(pool.map(_index, range(processes), chunksize=1))
        return round(done / (time.perf_counter() - began))


def _index(_: int) -> int:
    return index_texts()


def _sizes() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_table_size('record_text') / 1000000, pg_relation_size('record_text') / 1000000, "
            "pg_relation_size('record_text_words') / 1000000"
        )
        whole, rows, index = cursor.fetchone()
    text = statistics.mean(len(each) for each in _texts(0, 100, 1))
    return {"text": round(text), "table_mb": int(whole), "rows_mb": int(rows), "index_mb": int(index)}
