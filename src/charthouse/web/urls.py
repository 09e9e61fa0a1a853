"""Every address of the web application. None holds a name, a number or a date of a patient."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from .views import (
    chart,
    errors,
    facilities,
    files,
    find,
    home,
    ledger,
    people,
    practitioners,
    prints,
    provenance,
    receive,
    rules,
    tour,
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
    path("chart/<uuid:person>/print/<slug:section>", prints.section, name="print-section"),
    path("chart/<uuid:person>/print/<slug:type>/<str:id>", prints.document, name="print-document"),
    path("work/<str:queue>/print", prints.work_list, name="print-work-list"),
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
    path("people/", people.everybody, name="people"),
    path("people/invite", people.invite, name="people-invite"),
    path("people/<int:account>", people.person, name="people-person"),
    path("people/<int:account>/roles", people.roles, name="people-roles"),
    path("people/<int:account>/disable", people.disable, name="people-disable"),
    path("people/<int:account>/enable", people.enable, name="people-enable"),
    path("people/<int:account>/second-factor", people.reset_factor, name="people-reset-factor"),
    path("people/<int:account>/unlock", people.unlock, name="people-unlock"),
    path("people/<int:account>/invitation", people.invite_again, name="people-invite-again"),
    path("people/<int:account>/sessions", people.end_sessions, name="people-end-sessions"),
    path("people/<int:account>/sessions/<uuid:session>", people.end_sessions, name="people-end-session"),
    path("practitioners/", practitioners.directory, name="practitioners"),
    path("practitioners/<int:entry>", practitioners.practitioner, name="practitioners-one"),
    path("practitioners/<int:entry>/merge", practitioners.merge, name="practitioners-merge"),
    path("practitioners/<int:entry>/merges/<int:merge>/undo", practitioners.unmerge, name="practitioners-unmerge"),
    path("practitioners/<int:entry>/npi", practitioners.correct_npi, name="practitioners-npi"),
    path("facilities/", facilities.everywhere, name="facilities"),
    path("facilities/add", facilities.add, name="facilities-add"),
    path("facilities/<int:facility>", facilities.one, name="facilities-one"),
    path("tour/", tour.overview, name="tour"),
    path("tour/leave", tour.leave, name="tour-leave"),
    path("tour/<int:number>", tour.step, name="tour-step"),
    path("rules/", rules.rules, name="rules"),
    path("rules/<str:code>", rules.rule, name="rules-rule"),
]

handler400 = errors.bad_request
handler404 = errors.missing
handler500 = errors.failed
