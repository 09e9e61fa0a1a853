"""Which form an answer has, by what the Accept header weighs."""

import pytest

from charthouse.fhir.domain.negotiation import answer_type, check_resource_type, if_match
from charthouse.fhir.domain.outcomes import FhirProblem


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json, */*;q=0.5", "application/json"),
        ("application/fhir+json;q=0.2, application/json", "application/json"),
        ("application/json, text/plain, */*", "application/fhir+json"),
        ("application/json;q=0.5, application/fhir+json;q=0.9", "application/fhir+json"),
        ("application/fhir+xml, application/json;q=0.1", "application/json"),
    ],
)
def test_the_form_wanted_most_is_written(accept: str, form: str) -> None:
    assert answer_type(accept, None) == form


@pytest.mark.parametrize(
    ("accept", "asked", "form"),
    [
        ("application/fhir+json; fhirVersion=4.0", None, "application/fhir+json; fhirVersion=4.0"),
        (
            'application/fhir+json;fhirversion="4.0.1"; charset=utf-8',
            None,
            "application/fhir+json; fhirVersion=4.0",
        ),
        ("application/fhir+json; fhirVersion=5.0, application/json", None, "application/json"),
        ("", "application/fhir json; fhirVersion=4.0", "application/fhir+json; fhirVersion=4.0"),
        ("application/fhir+xml", "json", "application/fhir+json"),
    ],
)
def test_the_version_of_fhir_may_be_said(accept: str, asked: str | None, form: str) -> None:
    assert answer_type(accept, asked) == form


@pytest.mark.parametrize(
    ("accept", "asked"),
    [("application/fhir+json; fhirVersion=3.0", None), ("", "application/fhir+json; fhirVersion=5.0")],
)
def test_another_version_of_fhir_is_refused_with_a_sentence(accept: str, asked: str | None) -> None:
    with pytest.raises(FhirProblem) as refused:
        answer_type(accept, asked)
    assert refused.value.status == 406 and "speaks R4" in str(refused.value)
    with pytest.raises(FhirProblem) as body:
        check_resource_type("application/fhir+json; fhirVersion=1.0")
    assert body.value.status == 415 and "speaks R4" in str(body.value)
    check_resource_type("application/fhir+json; fhirVersion=4.0; charset=utf-8")


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None), ("", None), ("*", (-1,)), ('W/"2"', (2,)), ('"2"', (2,)), ('W/"1", "3" ,W/"2"', (1, 3, 2)),
        ('W/"other"', (0,)),
    ],
)  # fmt: skip
def test_if_match_names_versions(header: str | None, versions: tuple[int, ...] | None) -> None:
    assert if_match(header) == versions


@pytest.mark.parametrize("header", ["2", 'W/"1"; W/"2"', 'W/"1", *', "W/2", '"1" "2"'])
def test_what_is_no_etag_is_refused(header: str) -> None:
    with pytest.raises(FhirProblem) as refused:
        if_match(header)
    assert refused.value.status == 400


@pytest.mark.parametrize("accept", ["application/fhir+xml", "application/json;q=0", "*/*;q=0.000"])
def test_a_form_not_wanted_is_not_written(accept: str) -> None:
    with pytest.raises(FhirProblem):
        answer_type(accept, None)
