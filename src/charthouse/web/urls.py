"""Every address of the web application. None holds a name, a number or a date of a patient."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from .views import (
    chart,
    enter,
    errors,
    files,
    find,
    home,
    ledger,
    provenance,
    receive,
    register,
    rules,
    unfiled,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("charthouse.web.security.urls")),
    path("", home.home, name="home"),
    path("find/", find.find, name="find"),
    path("find/suggest", find.suggest, name="find-suggest"),
    path("chart/<uuid:person>/", chart.chart, name="chart"),
    path("chart/<uuid:person>/<slug:section>", chart.chart, name="chart-section"),
    path("chart/<uuid:person>/documents/<slug:type>/<str:id>", chart.document, name="chart-document"),
    path("chart/<uuid:person>/documents/<slug:type>/<str:id>/file/<int:file>", files.file, name="chart-file"),
    path(
        "chart/<uuid:person>/documents/<slug:type>/<str:id>/file/<int:file>/page/<int:number>",
        files.page,
        name="chart-page",
    ),
    path("chart/<uuid:person>/item/<slug:type>/<str:id>", chart.item, name="chart-item"),
    path("chart/<uuid:person>/from/<slug:type>/<str:id>", provenance.where_from, name="chart-from"),
    path("register/", register.register, name="register"),
    path("register/alike", register.alike, name="register-alike"),
    path("chart/<uuid:person>/demographics/", register.demographics, name="demographics"),
    path("chart/<uuid:person>/demographics/correct", register.correct, name="demographics-correct"),
    *(path(f"chart/<uuid:person>/new/{each.name}", view, name=each.url_name) for each, view in enter.VIEWS),
    path("unfiled/", unfiled.unfiled, name="unfiled"),
    path("unfiled/<int:message>", unfiled.message, name="unfiled-message"),
    path("unfiled/<int:message>/retry", unfiled.retry, name="unfiled-retry"),
    path("unfiled/<int:message>/sender", unfiled.sender, name="unfiled-sender"),
    path("unfiled/<int:message>/correct", unfiled.correct, name="unfiled-correct"),
    path("unfiled/<int:message>/refuse", unfiled.refuse, name="unfiled-refuse"),
    path("intake", receive.receive, name="intake"),
    path("intake/messages/<int:message>", receive.received, name="intake-message"),
    path("ledger/", ledger.entries, name="ledger"),
    path("ledger/seal", ledger.seal, name="ledger-seal"),
    path("ledger/verify", ledger.verify, name="ledger-verify"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<str:code>", rules.rule, name="rules-rule"),
]

handler400 = errors.bad_request
handler404 = errors.missing
handler500 = errors.failed
