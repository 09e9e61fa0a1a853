"""Every table of every app says whose its rows are."""

from __future__ import annotations

import re

from django.apps import apps
from django.db import connection

from charthouse.exchange.fhir.api import resource_types
from charthouse.foundation.tables import TableClass, class_of, declared
from charthouse.record import models
from charthouse.record.domain.types import PARTITIONS, TYPE_ID


def test_every_model_of_ours_has_a_class() -> None:
    without = [
        model.__name__
        for model in apps.get_models()
        if model.__module__.startswith("charthouse.") and class_of(model) is None
    ]
    assert without == []


def test_what_belongs_to_patients_is_declared_so() -> None:
    owned = {model._meta.db_table for model, kind in declared() if kind is TableClass.PATIENT}
    assert owned >= {
        "record_resource", "record_version", "record_index_token", "record_index_string", "record_index_date",
        "record_index_quantity", "record_index_reference", "record_attachment", "record_account_segment",
        "intake_original",
    }  # fmt: skip


def test_the_models_name_the_columns_that_the_tables_have(db: None) -> None:
    for model in apps.get_app_config("record").get_models():
        with connection.cursor() as cursor:
            columns = {
                each.name for each in connection.introspection.get_table_description(cursor, model._meta.db_table)
            }
        # A key of several columns has none of its own.
        assert {field.column for field in model._meta.fields if field.column} == columns, model


def test_every_type_of_r4_has_a_number_and_one_partition(db: None) -> None:
    assert set(TYPE_ID) >= set(resource_types())
    numbers = [TYPE_ID[name] for names in PARTITIONS.values() for name in names]
    assert len(numbers) == len(set(numbers))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'record_resource'::regclass"
        )
        bounds = dict(cursor.fetchall())
    assert set(bounds) == {f"record_resource_{name}" for name in (*PARTITIONS, "other")}
    stored = {int(n) for text in bounds.values() for n in re.findall(r"\d+", text)}
    assert stored == set(numbers)


def test_the_numbers_of_types_never_change() -> None:
    # Stored in every row: the list may only grow at its end.
    assert (TYPE_ID["Account"], TYPE_ID["Patient"], TYPE_ID["VisionPrescription"]) == (1, 103, len(TYPE_ID))
    assert models.Resource._meta.db_table == "record_resource"
