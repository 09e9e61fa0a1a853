"""The rail by role, the addresses, the templates' good manners, and the carried assets."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.web import navigation

WEB = Path(navigation.__file__).parent
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))


def _titles(*roles: Role) -> list[str]:
    ctx = AccessContext(actor="test", name="Test", roles=frozenset(roles))
    return [entry.title for _, entries in navigation.rail(ctx, "home") for entry in entries]


@pytest.mark.django_db
def test_a_technician_mends_and_an_auditor_reads_the_ledger() -> None:
    technician = _titles(Role.HIT)
    assert technician.count("Unfiled messages") == 1
    assert "Ledger" not in technician
    auditor = _titles(Role.AUDITOR)
    assert "Ledger" in auditor
    assert "Patient index" not in auditor
    assert "Unfiled messages" not in auditor


@pytest.mark.django_db
def test_a_heading_without_screens_is_left_out() -> None:
    nobody = AccessContext(actor="test", name="Test", roles=frozenset({Role.COORDINATOR}))
    assert [title for title, _ in navigation.rail(nobody, "home")] == ["Work", "Look up"]


def test_two_strokes_mean_one_screen_each() -> None:
    strokes = [item.keys for group in navigation.GROUPS for item in group.items]
    assert len(strokes) == len(set(strokes))


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        else:
            yield route


def test_no_address_has_a_place_for_a_name_or_a_number_of_a_patient() -> None:
    for route in _routes(get_resolver().url_patterns):
        assert not re.search(r"name|birth|mrn|text|query", route), route


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(WEB / "templates")))
def test_no_template_holds_a_style_or_a_script_of_its_own(template: Path) -> None:
    text = template.read_text("utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|hx-on|javascript:|js:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"hx-trigger=\"[^\"]*\[", text), "a filter of hx-trigger is evaluated as script"


def test_no_title_is_computed_from_a_record() -> None:
    for template in TEMPLATES:
        for title in re.findall(r"{% block title %}(.*?){% endblock %}", template.read_text("utf-8")):
            assert not re.search(r"summary|hit|item\.|row\.|document", title), template


def test_the_carried_assets_are_the_ones_looked_at() -> None:
    tool = WEB.parents[2] / "tools" / "vendor_assets.py"
    checked = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_our_own_styles_stay_small() -> None:
    import gzip

    styles = b"".join(path.read_bytes() for path in (WEB / "static/web/css").glob("*.css"))
    assert len(gzip.compress(styles)) < 10_000
