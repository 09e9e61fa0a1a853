"""Every address of the web application. None holds a name, a number or a date of a patient."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from .views import chart, duplicates, errors, files, find, home, ledger, provenance, queues, receive, rules, unfiled

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
    path("queues/<str:code>/", queues.desk, name="queue"),
    path("queues/<str:code>/act", queues.act, name="queue-act"),
    path("queues/<str:code>/next", queues.next_item, name="queue-next"),
    path("queues/<str:code>/views", queues.views, name="queue-views"),
    path("queues/<str:code>/<int:item>", queues.item, name="queue-item"),
    path("duplicates/<int:item>", duplicates.duplicate, name="duplicate"),
    path("duplicates/<int:item>/same", duplicates.same, name="duplicate-same"),
    path("duplicates/<int:item>/different", duplicates.different, name="duplicate-different"),
    path("duplicates/<int:item>/ask", duplicates.ask, name="duplicate-ask"),
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
