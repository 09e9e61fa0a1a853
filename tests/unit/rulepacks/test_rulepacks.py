"""Rule packs: read strictly, dated, chosen by day and facility; and the packs that ship are in order."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import charthouse
from charthouse.foundation import clock
from charthouse.foundation.rulepacks import api
from charthouse.foundation.rulepacks.api import FacilityType, Force, RulePackError, UnknownRule
from charthouse.foundation.rulepacks.commands import app as commands
from charthouse.foundation.rulepacks.pages import pages, write_pages
from charthouse.foundation.rulepacks.registry import Registry, read_registry

DOCS = Path(charthouse.__file__).parents[2] / "docs" / "rules"

RULE: dict[str, Any] = {
    "code": "demo.limit",
    "title": "A limit",
    "text": "No more than\n   this many.",
    "authority": "Example authority",
    "citation": "Example code 1.2",
    "force": "binding",
    "effective": date(2020, 1, 1),
    "parameters": {"days": {"value": 30, "unit": "days"}, "share": 0.5, "kinds": ["a", "b"], "word": "x"},
}


class Packs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "demo" / "rules"
        self.folder.mkdir(parents=True)

    def write(self, *rules: dict[str, Any], name: str = "first", **pack: Any) -> None:
        content = {"pack": f"demo.{name}", "title": "A pack", "rules": list(rules)} | pack
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(content), "utf-8")

    def text(self, text: str, name: str = "first") -> None:
        (self.folder / f"{name}.yaml").write_text(text, "utf-8")

    def read(self) -> Registry:
        return read_registry({"demo/rules": self.folder})

    def problems(self) -> str:
        with pytest.raises(RulePackError) as caught:
            self.read()
        return "\n".join(caught.value.problems)


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return Packs(tmp_path)


def rule(**changes: Any) -> dict[str, Any]:
    return RULE | changes


def test_a_rule_comes_with_its_source_and_numbers(packs: Packs) -> None:
    packs.write(
        rule(url="https://example.org/1", unverified=True, facility_types=["hospital"], jurisdiction="US-AL")
    )
    found = packs.read().rule("demo.limit", date(2020, 1, 1), FacilityType.HOSPITAL)
    assert (found.title, found.text) == ("A limit", "No more than this many.")
    assert (found.force, found.unverified, found.jurisdiction) == (Force.BINDING, True, "US-AL")
    assert (found.app, found.pack) == ("demo", "demo.first")
    assert {name: str(value) for name, value in found.parameters.items()} == {
        "days": "30 days",
        "share": "0.5",
        "kinds": "a, b",
        "word": "x",
    }
    assert found.parameters["kinds"].value == ("a", "b")


def test_the_version_of_the_day_holds(packs: Packs) -> None:
    packs.write(
        rule(ends=date(2024, 4, 16)),
        rule(effective=date(2024, 4, 16), title="A newer limit"),
    )
    registry = packs.read()
    assert registry.rule("demo.limit", date(2024, 4, 15)).title == "A limit"
    assert registry.rule("demo.limit", date(2024, 4, 16)).title == "A newer limit"
    with pytest.raises(UnknownRule, match="does not hold on 2019-12-31"):
        registry.rule("demo.limit", date(2019, 12, 31))


def test_a_convention_holds_before_it_was_written_down(packs: Packs) -> None:
    packs.write(rule(force="convention"))
    assert packs.read().rule("demo.limit", date(1999, 1, 1)).title == "A limit"


def test_a_rule_for_the_facilitys_type_goes_before_one_for_all(packs: Packs) -> None:
    packs.write(rule(), rule(facility_types=["critical-access-hospital"], title="The small hospitals' limit"))
    registry = packs.read()
    day = date(2021, 1, 1)
    assert registry.rule("demo.limit", day, FacilityType.CRITICAL_ACCESS).title == "The small hospitals' limit"
    assert registry.rule("demo.limit", day, FacilityType.CLINIC).title == "A limit"
    assert registry.rule("demo.limit", day).title == "A limit"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"force": "strong"}, "force: Invalid enum value 'strong'"),
        ({"effective": "soon"}, "effective: "),
        ({"effective": 2020}, "effective: "),
        ({"ends": date(2019, 1, 1)}, "ends is 2019-01-01, which is not after effective"),
        ({"citation": " "}, "citation is empty"),
        ({"titel": "x"}, "unknown field `titel`"),
        ({"unverified": "no"}, "unverified: Expected `bool`"),
        ({"facility_types": ["hotel"]}, "facility_types[0]: Invalid enum value 'hotel'"),
        ({"jurisdiction": "Alabama"}, "jurisdiction is 'Alabama'"),
        ({"url": "http://example.org"}, "url is"),
        ({"parameters": {"days": {"value": 3, "units": "days"}}}, "parameters.days: "),
        ({"parameters": {"days": None}}, "parameters"),
        ({"parameters": {"Max Days": 3}}, "'Max Days'"),
        ({"code": "other.limit"}, "it must be lower-case words beginning with 'demo.'"),
        ({"code": "demo.Limit"}, "code is 'demo.Limit'"),
    ],
)
def test_what_is_wrong_is_named_with_file_rule_and_field(packs: Packs, change: dict[str, Any], said: str) -> None:
    packs.write(rule(code="demo.good"), rule(**change))
    problems = packs.problems()
    assert problems.startswith(f"demo/rules/first.yaml, rule {change.get('code', 'demo.limit')}: ")
    assert said in problems
    assert "demo.good" not in problems


@pytest.mark.parametrize("field", ["title", "text", "authority", "citation", "force", "effective"])
def test_a_missing_field_is_named(packs: Packs, field: str) -> None:
    packs.write({name: value for name, value in RULE.items() if name != field})
    assert f"rule demo.limit: Object missing required field `{field}`" in packs.problems()


def test_a_rule_without_a_code_is_named_by_its_place(packs: Packs) -> None:
    packs.write(rule(), {name: value for name, value in RULE.items() if name != "code"})
    assert "rule 2: Object missing required field `code`" in packs.problems()


def test_all_problems_of_all_packs_are_told_at_once(packs: Packs) -> None:
    packs.write(rule(force="x"), rule(title=""))
    packs.text("pack: [", "second")
    packs.text("- a\n- b\n", "third")
    packs.text("pack: demo.fourth\ntitle: x\nrules: []\n", "fourth")
    packs.text("pack: other.fifth\ntitle: x\ntitle: y\nrules: []\n", "fifth")
    problems = packs.problems()
    for said in (
        "first.yaml, rule demo.limit: force",
        "first.yaml, rule demo.limit: title is empty",
        "second.yaml is not readable YAML",
        "third.yaml: Expected `object`",
        "fourth.yaml: rules is empty",
        "fifth.yaml is not readable YAML: 'title' is written twice",
    ):
        assert said in problems


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({}, {}, True),
        ({}, {"effective": date(2021, 1, 1)}, True),
        ({"ends": date(2021, 1, 1)}, {"effective": date(2020, 12, 31)}, True),
        ({"ends": date(2021, 1, 1)}, {"effective": date(2021, 1, 1)}, False),
        ({"facility_types": ["clinic"]}, {}, False),
        ({"facility_types": ["clinic"]}, {"facility_types": ["hospital"]}, False),
        ({"facility_types": ["clinic", "hospital"]}, {"facility_types": ["hospital"]}, True),
    ],
)
def test_two_versions_never_hold_at_once(
    packs: Packs, first: dict[str, Any], second: dict[str, Any], clash: bool
) -> None:
    packs.write(rule(**first))
    packs.write(rule(**second), name="second")
    if clash:
        assert "second.yaml, rule demo.limit: the version effective" in packs.problems()
    else:
        assert len(packs.read().versions["demo.limit"]) == 2


def test_two_packs_of_one_code_are_refused(packs: Packs) -> None:
    packs.write(rule())
    packs.write(rule(code="demo.other"), name="second", pack="demo.first")
    assert "pack demo.first is already in demo/rules/first.yaml" in packs.problems()


def test_numbers_are_asked_for_by_name() -> None:
    assert api.parameter("disclosure.accounting-period", "look_back") == 6
    assert api.parameter("ledger.retention", "keep") == 6
    assert "authorization" in api.choices("disclosure.accounting-period", "left_out")
    with pytest.raises(UnknownRule, match="no parameter forward"):
        api.parameter("disclosure.accounting-period", "forward")
    with pytest.raises(UnknownRule, match=r"There is no rule demo\.limit"):
        api.rule("demo.limit")
    with pytest.raises(TypeError, match="list"):
        api.parameter("disclosure.accounting-period", "left_out")


def test_the_business_clock_chooses_the_version() -> None:
    with clock.frozen(datetime(2003, 4, 13, 12, tzinfo=UTC)), pytest.raises(UnknownRule, match="2003-04-13"):
        api.rule("disclosure.accounting-period")
    with clock.frozen(datetime(2003, 4, 14, 12, tzinfo=UTC)):
        assert api.rule("disclosure.accounting-period").force is Force.BINDING
    with clock.frozen(datetime(1995, 1, 1, tzinfo=UTC)):
        assert api.parameter("access.idle-lock", "idle") == 15


def test_every_pack_that_ships_is_in_order() -> None:
    registry = api.load()
    assert {"access.labels", "access.session", "disclosure.accounting", "ledger.retention"} <= {
        pack.code for pack in registry.packs
    }
    assert [pack.code for pack in registry.packs] == sorted(pack.code for pack in registry.packs)
    files = {path.name for path in Path(charthouse.__file__).parent.rglob("rules/*.yaml")}
    assert files == {Path(pack.file).name for pack in registry.packs}, "a pack lies where it is not read"


def test_the_pages_in_docs_are_current() -> None:
    wanted = pages(api.load())
    there = {path.name: path.read_text("utf-8") for path in DOCS.glob("*.md")}
    assert there == wanted, "run: charthouse rules pages docs/rules"


def test_pages_tell_every_version_and_forget_rules_that_are_no_more(packs: Packs, tmp_path: Path) -> None:
    packs.write(rule(ends=date(2024, 1, 1)), rule(effective=date(2024, 1, 1), unverified=True), rule(code="demo.b"))
    folder = tmp_path / "pages"
    assert write_pages(packs.read(), folder) == 3
    page = (folder / "demo.limit.md").read_text("utf-8")
    assert page.index("Effective 2024-01-01") < page.index("Effective 2020-01-01")
    assert "**Unverified**" in page
    assert "| days | 30 days |" in page
    assert "[A limit](demo.b.md)" in (folder / "index.md").read_text("utf-8")
    packs.write(rule())
    (folder / "by-hand.md").write_text("# Mine\n", "utf-8")
    assert write_pages(packs.read(), folder) == 3
    assert {path.name for path in folder.iterdir()} == {"demo.limit.md", "index.md", "by-hand.md"}
    assert write_pages(packs.read(), folder) == 0


def test_the_commands_list_show_and_check(tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(commands, arguments)

    assert "rules are in order" in run("check").output
    assert "access.idle-lock" in run("list", "--app", "access").output
    assert "ledger.retention" not in run("list", "--app", "access").output
    shown = run("show", "ledger.retention").output
    assert "45 CFR 164.316(b)(2)(i)" in shown
    assert "6 years" in shown
    missing = run("show", "no.rule")
    assert missing.exit_code == 1
    assert "There is no rule no.rule" in missing.output
    assert run("show", "ledger.retention", "--on", "2000-01-01").exit_code == 1
    assert "pages changed" in run("pages", str(tmp_path)).output
    assert "are current" in run("pages", str(tmp_path)).output
