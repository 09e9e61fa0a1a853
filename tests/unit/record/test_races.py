"""Two transactions at once: one shared resource, one patient, never two of either."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections, transaction

from charthouse.record.api import Outcome

SHARED = [
    {"resourceType": "Practitioner", "id": "shared", "name": [{"family": "Okafor"}]},
    {"resourceType": "Organization", "id": "shared", "name": "General"},
    {"resourceType": "Medication", "id": "shared", "code": {"text": "Aspirin"}},
    {"resourceType": "Patient", "id": "shared", "name": [{"family": "Marsh"}]},
]


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run tasks in threads of their own, begun together; their results, or the error of the first that failed."""
    start = threading.Barrier(len(tasks))
    results: list[Any] = [None] * len(tasks)

    def run(number: int, task: Callable[[], Any]) -> None:
        try:
            start.wait()
            results[number] = task()
        except BaseException as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return results


@pytest.mark.parametrize("resource", SHARED, ids=lambda each: each["resourceType"])
def test_the_same_new_resource_from_several_sides_is_created_once(
    committed_db: str, make: Any, resource: dict[str, Any]
) -> None:
    def file() -> Outcome:
        with transaction.atomic(), connection.cursor() as cursor:
            (filed,) = make.book(cursor).file(resource)
            return Outcome(filed.outcome)

    outcomes = at_once(*[file] * 6)
    assert sorted(outcomes) == [Outcome.CREATED, *[Outcome.UNCHANGED] * 5]
    with connection.cursor() as cursor:
        book = make.book(cursor)
        assert book.one("SELECT count(*) FROM record_resource") == 1
        assert book.one("SELECT count(*) FROM record_version") == 1


def test_many_shared_resources_in_different_orders_end_in_no_deadlock(committed_db: str, make: Any) -> None:
    shared = [{"resourceType": "Practitioner", "id": f"x{n}", "name": [{"family": f"N{n}"}]} for n in range(40)]

    def file(ordered: list[dict[str, Any]]) -> Callable[[], int]:
        def task() -> int:
            with transaction.atomic(), connection.cursor() as cursor:
                return sum(each.outcome is Outcome.CREATED for each in make.book(cursor).file(*ordered))

        return task

    created = at_once(
        file(shared), file(shared[::-1]), file(shared[20:] + shared[:20]), file(shared[::2] + shared[1::2])
    )
    assert sum(created) == 40


def test_a_mention_and_the_real_one_at_once_leave_the_real_one(committed_db: str, make: Any) -> None:
    from charthouse.record.api import FilingBatch

    real = {"resourceType": "Practitioner", "id": "x", "name": [{"family": "Okafor"}]}

    def file_real() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            make.book(cursor).file(real)

    def file_mention() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            (stub,) = make.book(cursor).prepare({"resourceType": "Practitioner", "id": "x"})
            stub.only_if_absent = True
            FilingBatch(cursor, [stub]).file([stub], datetime.now(UTC))

    at_once(file_real, file_mention, file_mention)
    with connection.cursor() as cursor:
        assert make.book(cursor).current("Practitioner", "x").resource == real
