"""Words found in one chart and across charts: only what stands, is current, and this asker may see."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

import pytest

from charthouse.foundation.access.api import AccessContext, Label, PermissionRefused, Role
from charthouse.record import api as record
from charthouse.record.actions.index_texts import index_batch
from charthouse.record.actions.settle_words import settle_words
from charthouse.record.domain.text_rows import TextSection

HIV = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
VIP = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "VIP"}]}


def note(make: Any, public_id: str, text: str, of: str = "p1", **more: Any) -> Any:
    attachment = {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}
    return make.document(public_id, of=of, **{"content": [{"attachment": attachment}], **more})


def at_once(*tasks: Callable[[], None]) -> None:
    """Run tasks in threads of their own, begun together; raises the first error."""
    from django.db import connections

    errors: list[BaseException] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        try:
            start.wait()
            task()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


def ids(found: record.TextFound) -> list[str]:
    return [hit.id for hit in found.hits]


def chart(make: Any, row: int, text: str, *labels: Label, **within: Any) -> record.TextFound:
    clearance = Label.NONE
    for each in labels:
        clearance |= each
    return record.search_chart(make.asker(clearance), [row], text, record.TextFilter(**within))


def everywhere(make: Any, text: str, *labels: Label, **within: Any) -> record.TextFound:
    clearance = Label.NONE
    for each in labels:
        clearance |= each
    return record.search_all(make.asker(clearance), text, record.TextFilter(**within))


@pytest.fixture
def charts(book: Any, make: Any) -> dict[str, int]:
    """Two charts, indexed."""
    rows = {"p1": book.patient("p1"), "p2": book.patient("p2")}
    book.file(
        note(make, "old", "Chest pain ruled out. No evidence of embolism.", date="2019-05-01T08:00:00Z"),
        note(make, "new", "Two fractures of the left radius; no chest pain.", date="2026-01-05T08:00:00Z"),
        note(make, "hidden", "Fracture after a fall, HIV positive.", date="2026-01-06T08:00:00Z", meta=HIV),
        note(make, "other", "A fracture of the hip.", of="p2", date="2024-01-01T08:00:00Z"),
        make.observation("hb", valueString="Hemoglobin low, schistocytes seen"),
        {"resourceType": "Condition", "id": "dm", "subject": {"reference": "Patient/p2"},
         "code": {"coding": [{"code": "E11.9", "display": "Type 2 diabetes mellitus"}]}},
    )  # fmt: skip
    record.index_texts()
    return rows


def test_words_are_found_newest_first_and_marked(charts: dict[str, int], make: Any) -> None:
    found = chart(make, charts["p1"], "CHEST pain")
    assert ids(found) == ["new", "old"] and found.count == 2
    (snippet, machine), *_ = found.hits[0].shown
    assert [piece.text for piece in snippet.pieces if piece.found] == ["chest", "pain"]
    assert not machine and found.hits[0].title == "Operative note"


@pytest.mark.parametrize(
    ("search", "ids_found"),
    [
        ("fracture", ["new", "other"]),
        ("fractur*", ["new", "other"]),
        ("fract* -hip", ["new"]),
        ('"no evidence"', ["old"]),
        ('"evidence no"', []),
        ("E11.9", ["dm"]),
        ("schistocytes", ["hb"]),
        ("embolism hip", []),
        ("13.5", ["hb"]),
        ("unheard", []),
        ("unheard*", []),
    ],
)
def test_what_is_found_across_charts(
    charts: dict[str, int], make: Any, search: str, ids_found: list[str]
) -> None:  # fmt: skip
    found = everywhere(make, search)
    assert ids(found) == ids_found and found.count == len(ids_found)


def test_a_chart_finds_the_same_as_all_charts_do_in_it(charts: dict[str, int], make: Any) -> None:
    for search in ("fracture", "fractur*", '"chest pain"', "pain -ruled", "718-7", "radius left"):
        both = ids(chart(make, charts["p1"], search)) + ids(chart(make, charts["p2"], search))
        assert sorted(both) == sorted(ids(everywhere(make, search))), search


def test_what_a_label_forbids_is_neither_found_nor_counted(charts: dict[str, int], make: Any) -> None:
    for search in ("hiv", "fracture fall", "positive", "fal*", '"after a fall"'):
        assert chart(make, charts["p1"], search).count == 0
        assert everywhere(make, search).count == 0
        assert ids(chart(make, charts["p1"], search, Label.HIV)) == ["hidden"]
        assert ids(everywhere(make, search, Label.HIV)) == ["hidden"]
    assert everywhere(make, "fracture").count == 2 and everywhere(make, "fracture", Label.HIV).count == 3


def test_a_label_put_on_later_hides_at_once(charts: dict[str, int], book: Any, make: Any) -> None:
    book.file(note(make, "new", "Two fractures of the left radius; no chest pain.", meta=HIV))
    assert "new" not in ids(everywhere(make, "radius")) and everywhere(make, "radius").count == 0
    record.index_texts()
    assert everywhere(make, "radius").count == 0
    assert everywhere(make, "radius", Label.HIV).count == 1


def test_nothing_of_a_hidden_patient_is_found(charts: dict[str, int], book: Any, make: Any) -> None:
    book.file(make.patient("p2", meta=VIP))
    assert ids(everywhere(make, "fracture")) == ["new"]
    assert chart(make, charts["p2"], "fracture").count == 0
    assert ids(everywhere(make, "fracture", Label.VIP)) == ["new", "other"]


def test_a_changed_item_is_found_by_what_it_says_now(charts: dict[str, int], book: Any, make: Any) -> None:
    book.file(note(make, "other", "A sprain of the ankle.", of="p2"))
    assert everywhere(make, "hip").count == 0 and everywhere(make, "sprain").count == 0
    assert record.text_lag().waiting == 1 and record.text_lag().since is not None
    record.index_texts()
    assert everywhere(make, "hip").count == 0 and ids(everywhere(make, "sprain")) == ["other"]
    assert record.text_lag() == record.TextLag(0, None)


def test_what_was_entered_in_error_or_deleted_is_not_found(charts: dict[str, int], book: Any, make: Any) -> None:
    book.file(note(make, "other", "A fracture of the hip.", of="p2", status="entered-in-error"))
    book.file(note(make, "new", "Two fractures of the left radius."), deleted=True)
    assert everywhere(make, "fracture").count == 0
    record.index_texts()
    assert everywhere(make, "fracture").count == 0
    assert book.one("SELECT count(*) FROM record_text t JOIN record_resource r ON r.id = t.resource "
                    "WHERE r.public_id IN ('other', 'new')") == 0  # fmt: skip


def test_filters(charts: dict[str, int], make: Any) -> None:
    from datetime import date

    assert ids(everywhere(make, "pain", since=date(2025, 1, 1))) == ["new"]
    assert ids(everywhere(make, "pain", until=date(2019, 5, 1))) == ["old"]
    assert ids(everywhere(make, "pain", since=date(2019, 5, 2), until=date(2025, 1, 1))) == []
    assert ids(everywhere(make, "diabetes", sections=frozenset([TextSection.PROBLEMS]))) == ["dm"]
    assert everywhere(make, "diabetes", sections=frozenset([TextSection.DOCUMENTS])).count == 0


def test_services(book: Any, make: Any) -> None:
    book.patient()
    book.file(
        note(make, "a", "murmur", context={"practiceSetting": {"text": "Cardiology"}}), note(make, "b", "murmur")
    )
    record.index_texts()
    assert ids(everywhere(make, "murmur", service="Cardiology")) == ["a"]
    assert record.text_services() == ["Cardiology"]


def test_counts_are_exact_to_a_thousand_and_pages_are_whole(book: Any, make: Any) -> None:
    row = book.patient()
    book.file(*(make.observation(f"o{number}", valueString="common") for number in range(60)))
    undated = make.observation("none", valueString="common")
    del undated["effectiveDateTime"]
    book.file(undated)
    record.index_texts()
    seen: list[str] = []
    for page in (1, 2, 3):
        found = record.search_all(make.asker(), "common", page=page)
        assert found.count == 61 and found.pages == 3 and found.page == page
        assert ids(found) == ids(record.search_chart(make.asker(), [row], "common", page=page))
        seen += ids(found)
    assert len(set(seen)) == 61 and seen[-1] == "none"
    assert record.search_all(make.asker(), "common", page=99).page == 3
    book.cursor.execute(
        "INSERT INTO record_resource (id, patient, main_low, main_high, filed_at, source, version, labels, type,"
        " state, public_id, digest) SELECT 1000000 + n, patient, main_low, main_high, filed_at, source, version,"
        " labels, type, state, 'copy-' || n, digest FROM record_resource, generate_series(1, 999) AS n"
        " WHERE public_id = 'o0'"
    )
    book.cursor.execute(
        "INSERT INTO record_text SELECT 1000000 + n, patient, at, version, labels, machine_from, type, section,"
        " title, service, words, body FROM record_text, generate_series(1, 999) AS n WHERE resource ="
        " (SELECT id FROM record_resource WHERE public_id = 'o0')"
    )
    for found in (record.search_all(make.asker(), "common"), record.search_chart(make.asker(), [row], "common")):
        assert found.more_than_counted and found.count == 1001 and found.pages == 40


def test_who_may_search_all_charts(charts: dict[str, int]) -> None:
    allowed = {Role.HIT, Role.CODER, Role.REGISTRAR, Role.RELEASE, Role.PRIVACY, Role.MANAGER}
    for role in Role:
        ctx = AccessContext("user:1", "A reader", frozenset({role}))
        if role in allowed:
            assert record.search_all(ctx, "hip").count == 1
        else:
            with pytest.raises(PermissionRefused):
                record.search_all(ctx, "hip")


def test_a_beginning_of_too_many_words_is_refused_in_words(book: Any, make: Any) -> None:
    book.patient()
    book.file(note(make, "d", " ".join(f"post{number}" for number in range(60))))
    record.index_texts()
    with pytest.raises(record.TooWide, match="post"):
        everywhere(make, "post*")


def test_a_search_that_takes_too_long_is_given_up_in_words(
    charts: dict[str, int], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charthouse.record.text_queries._ROWS", "SELECT type, resource, version, patient, at FROM"
                        " (SELECT *, pg_sleep(2) FROM record_text OFFSET 0) AS slow")  # fmt: skip
    monkeypatch.setattr("charthouse.record.text_queries._PATIENCE", 50)
    with pytest.raises(record.TooWide, match="too long"):
        everywhere(make, "fracture")


def test_a_search_goes_back_in_time_as_far_as_it_must(
    book: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many texts it looks through at once, it finds the same, each once and newest first."""
    book.patient()
    years = (1931, 1957, 1990, 2001, 2019, 2025, 2026, 2071)
    words = {year: "sarcoidosis in remission" if year % 2 else "sarcoidosis" for year in years}
    book.file(*(note(make, f"y{year}", words[year], date=f"{year}-03-01T00:00:00Z") for year in years))
    record.index_texts()
    wanted = [f"y{year}" for year in reversed(years)]
    for first in (1, 3, 100):
        monkeypatch.setattr("charthouse.record.text_queries._FIRST_SPAN", first)
        for growth in (1, 2, 8):
            monkeypatch.setattr("charthouse.record.text_queries._GROWTH", growth)
            assert ids(everywhere(make, "sarcoidosis")) == wanted
            assert ids(everywhere(make, "sarcoid*")) == wanted
            active = [f"y{year}" for year in reversed(years) if year % 2 == 0]
            assert ids(everywhere(make, "sarcoidosis -remission")) == active
            assert ids(everywhere(make, "sarcoidosis -remiss*")) == active


def test_attachments_are_searched_wherever_they_are_kept(book: Any, make: Any) -> None:
    row = book.patient()
    large = base64.b64encode(b"<p>filler</p>" * 8_000 + b"<p>quadriplegia</p>").decode()
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "CT head"},
        "subject": {"reference": "Patient/p1"}, "conclusion": "Subdural hematoma.",
        "presentedForm": [{"contentType": "text/plain", "data": base64.b64encode(b"midline shift").decode()}],
    }  # fmt: skip
    book.file(
        make.document("large", content=[{"attachment": {"contentType": "text/html", "data": large}}]), report,
        {"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "Summary"}, "title": "Sum",
         "date": "2026-01-01", "author": [{"display": "Dr Abara"}], "subject": {"reference": "Patient/p1"},
         "section": [{"title": "Course", "text": {"status": "generated", "div": "<div>uneventful</div>"}}]},
    )  # fmt: skip
    record.index_texts()
    for search, found in (("quadriplegia", "large"), ("hematoma", "r"), ("midline", "r"), ("uneventful", "c"),
                          ("abara", "c")):  # fmt: skip
        assert ids(chart(make, row, search)) == [found], search


def test_an_attachment_that_breaks_its_reader_hides_nothing_else(
    book: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(content: bytes, media_type: str) -> str:
        raise RuntimeError("hostile")

    monkeypatch.setattr("charthouse.record.actions.index_texts.text_of", breaks)
    row = book.patient()
    book.file(note(make, "d", "unread", description="Known by its description"))
    record.index_texts()
    assert ids(chart(make, row, "description")) == ["d"]


def test_everything_can_be_indexed_anew(charts: dict[str, int], book: Any, make: Any) -> None:
    book.cursor.execute("DELETE FROM record_text")
    assert everywhere(make, "fracture").count == 0
    assert record.index_all_anew() == 6
    record.index_texts()
    assert everywhere(make, "fracture").count == 2


def test_an_older_version_never_replaces_a_newer_one(committed_db: str, make: Any) -> None:
    """Two indexers and a writer at once: in the end the words are those of the version that stands."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        make.book(cursor).patient()

    def write() -> None:
        for number in range(12):
            with transaction.atomic(), connection.cursor() as cursor:
                book = make.book(cursor)
                book.messages = number
                book.file(note(make, "d", f"revision{number} common"), make.observation(valueString=f"r{number}"))

    def index() -> None:
        for _ in range(40):
            index_batch(3)

    at_once(write, index, index)
    record.index_texts()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE t.version = r.version) FROM record_text t "
            "JOIN record_resource r USING (type) WHERE r.id = t.resource"
        )
        assert cursor.fetchone() == (2, 2)
    assert ids(everywhere(make, "revision11")) == ["d"]
    assert everywhere(make, "revision10").count == 0


def test_large_texts_are_indexed_a_few_at_a_time_and_none_is_lost(
    book: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.patient("p1")
    book.file(*(note(make, f"n{number}", f"Rarity{number} " + "and so on " * 30) for number in range(7)))
    monkeypatch.setattr("charthouse.record.actions.index_texts._HELD", 500)
    before = record.text_lag()
    assert 0 < index_batch() < 7
    after = record.text_lag()
    assert 0 < after.waiting < before.waiting and after.since == before.since
    record.index_texts()
    assert record.text_lag().waiting == 0
    for number in range(7):
        assert ids(everywhere(make, f"rarity{number}")) == [f"n{number}"]


def test_new_words_are_merged_into_the_index_by_whoever_may_not_own_it(charts: dict[str, int], make: Any) -> None:
    before = ids(everywhere(make, "fracture"))
    assert settle_words() > 0
    assert settle_words() == 0
    assert ids(everywhere(make, "fracture")) == before == ["new", "other"]
