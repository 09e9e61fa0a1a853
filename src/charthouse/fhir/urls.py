"""The addresses of the FHIR API, below ``/fhir``. What is more exact stands first."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import StringConverter

from .views import labelling, metadata, reads, search, server, validation, writes


class _TypeName(StringConverter):
    """A name as resource types have it."""

    regex = "[A-Z][A-Za-z]+"


class _Id(StringConverter):
    """An id as FHIR has it, and so no operation, history or search."""

    regex = "[A-Za-z0-9.-]+"


register_converter(_TypeName, "fhir_type")
register_converter(_Id, "fhir_id")

urlpatterns: list[URLPattern | URLResolver] = [
    # What is asked most, before all others are tried: by their form these can be nothing else.
    path("/<fhir_type:kind>/<fhir_id:id>", writes.of_instance),
    path("/<fhir_type:kind>", server.of_type),
    path("", include("charthouse.fhir.access.urls")),
    path("/metadata", metadata.metadata, name="fhir-metadata"),
    path("/metadata/", metadata.metadata),
    path("", server.of_server, name="fhir"),
    path("/", server.of_server),
    path("/_history", reads.history_of_all, name="fhir-history"),
    path("/_search", search.search_all_by_form, name="fhir-search"),
    path("/Patient/$match", search.match_patient, name="fhir-match"),
    path("/Patient/$everything", search.everything_of_all, name="fhir-everything-all"),
    path("/Patient/<str:id>/$everything", search.everything_of, {"kind": "Patient"}, name="fhir-everything"),
    path("/Encounter/<str:id>/$everything", search.everything_of, {"kind": "Encounter"}),
    path("/Observation/$lastn", search.lastn_of, name="fhir-lastn"),
    path("/<str:kind>/_search", search.search_type_by_form, name="fhir-type-search"),
    path("/<str:kind>/_history", reads.history_of_type, name="fhir-type-history"),
    path("/<str:kind>/$validate", validation.validate_type, name="fhir-validate"),
    path("/<str:kind>/<str:id>/$validate", validation.validate_instance, name="fhir-validate-one"),
    path("/<str:kind>/<str:id>/$meta", labelling.meta_of_one, name="fhir-meta"),
    path("/<str:kind>/<str:id>/$meta-add", labelling.add_to_meta, name="fhir-meta-add"),
    path("/<str:kind>/<str:id>/$meta-delete", labelling.remove_from_meta, name="fhir-meta-delete"),
    path("/<str:kind>/<str:id>/_history", reads.history_of_one, name="fhir-instance-history"),
    path("/<str:kind>/<str:id>/_history/<str:version>", reads.vread, name="fhir-version"),
    path(
        "/<str:owner>/<str:id>/<str:kind>/_search",
        search.search_compartment_by_form,
        name="fhir-compartment-search",
    ),
    path("/<str:owner>/<str:id>/<str:kind>", search.search_compartment, name="fhir-compartment"),
    path("/<str:kind>", server.of_type, name="fhir-type"),
    path("/<str:kind>/", server.of_type),
    path("/<str:kind>/<str:id>", writes.of_instance, name="fhir-instance"),
    path("/<str:kind>/<str:id>/", writes.of_instance),
    path("/<path:rest>", server.unknown),
]
