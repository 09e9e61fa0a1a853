"""SMART scopes of systems: what each spelling means, and what is granted of what is asked."""

from __future__ import annotations

import pytest

from charthouse.fhir.domain.scopes import ScopeError, Scopes, kept_scopes, read_scopes


def known(kind: str) -> bool:
    return kind in {"Patient", "Observation", "Group"}


def read(text: str) -> Scopes:
    return read_scopes(text, known)


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ("system/Patient.read", "system/Patient.rs"),
        ("system/Patient.write", "system/Patient.cud"),
        ("system/*.*", "system/*.cruds"),
        ("system/Observation.rs", "system/Observation.rs"),
        ("system/Patient.read system/Patient.write", "system/Patient.cruds"),
    ],
)
def test_both_versions_mean_letters(asked: str, means: str) -> None:
    assert str(read(asked)) == means
    assert kept_scopes(means) == read(asked)


@pytest.mark.parametrize(
    "asked",
    ["", "patient/Patient.read", "user/*.rs", "openid", "system/Patient", "system/Patient.", "system/Patient.sr",
     "system/Dragon.read", "system/*.reads", "system/*.rs?_tag=x", "system/Observation.cruds?category=laboratory",
     "system/Observation.rs?", f"system/Observation.rs?{'&'.join(['status=final'] * 11)}"],
)  # fmt: skip
def test_what_cannot_be_granted_is_refused(asked: str) -> None:
    with pytest.raises(ScopeError):
        read(asked)


def test_may() -> None:
    scopes = read("system/Patient.rs system/Observation.c")
    assert scopes.may("r", "Patient") and scopes.may("c", "Observation")
    assert not scopes.may("r", "Observation") and not scopes.may("u", "Patient") and not scopes.may("r", "Group")
    assert scopes.all_of("rs", "Patient") and not scopes.all_of("rs", "Observation")


@pytest.mark.parametrize(
    ("asked", "allowed", "granted"),
    [
        ("system/*.read", "system/Patient.cruds", "system/Patient.rs"),
        ("system/Patient.cruds", "system/*.read", "system/Patient.rs"),
        ("system/Patient.read", "system/Observation.read", ""),
        ("system/Patient.rs system/*.c", "system/*.crs", "system/Patient.rs system/*.c"),
        ("system/Observation.rs?code=1", "system/*.r", "system/Observation.r?code=1"),
        ("system/*.rs", "system/Observation.rs?code=1", "system/Observation.rs?code=1"),
        (
            "system/Observation.rs?code=1",
            "system/Observation.rs?status=final",
            "system/Observation.rs?code=1&status=final",
        ),
        ("system/Observation.rs?code=1", "system/Observation.rs?code=1", "system/Observation.rs?code=1"),
    ],
)
def test_granted_is_what_is_both_asked_and_allowed(asked: str, allowed: str, granted: str) -> None:
    assert str(read(asked).both(read(allowed))) == granted


def test_a_scope_narrowed_by_a_search_keeps_it() -> None:
    lab, vital = (("category", "http://a.example/c|laboratory"),), (("category", "vital signs"),)
    scopes = read(
        "system/Observation.rs?category=http://a.example/c|laboratory system/Observation.r?category=vital+signs"
    )
    assert scopes.narrowed("r", "Observation") == {lab, vital} and scopes.narrowed("s", "Observation") == {lab}
    assert scopes.may("r", "Observation") and not scopes.may("r", "Patient")
    assert kept_scopes(str(scopes)) == scopes and len(str(scopes).split()) == 2
    assert read("system/Observation.rs?category=x system/*.r").narrowed("r", "Observation") == frozenset()
    assert read("system/*.r").narrowed("r", "Observation") == frozenset()
