"""The addresses of tokens and bulk exports, below ``/fhir``."""

from __future__ import annotations

from django.urls import path

from charthouse.fhir.views import auth, export

urlpatterns = [
    path("/.well-known/smart-configuration", auth.configuration, name="fhir-smart-configuration"),
    path("/auth/token", auth.token, name="fhir-token"),
    path("/auth/introspect", auth.introspect, name="fhir-introspect"),
    path("/auth/revoke", auth.revoke, name="fhir-revoke"),
    path("/$export", export.of_system, name="fhir-export"),
    path("/Patient/$export", export.of_patients, name="fhir-export-patients"),
    path("/Group/<str:group>/$export", export.of_group, name="fhir-export-group"),
    path("/bulk/<uuid:export>", export.status, name="fhir-export-status"),
    path("/bulk/<uuid:export>/errors", export.errors, name="fhir-export-errors"),
    path("/bulk/<uuid:export>/<uuid:file>", export.file, name="fhir-export-file"),
]
