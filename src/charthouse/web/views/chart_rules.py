"""The rules charts are analysed by: what is in force and was before, trying others over charts, adopting them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from charthouse.completion import api as completion
from charthouse.completion.api import Over, Recipe, Way, Which
from charthouse.foundation.access.api import may
from charthouse.foundation.jobs.api import JobState
from charthouse.foundation.rulepacks.api import FacilityType
from charthouse.people import api as people
from charthouse.web import permissions
from charthouse.web.numbers import SMALL, page_of, whole
from charthouse.web.security.api import SignedInRequest, screen

from .incomplete import note_charts

_LONGEST_NUMBER = 2_000
#: Bytes of a pack's file that are read; what is longer is refused by its letters.
_LONGEST_FILE = 4 * completion.LONGEST_PACK


@screen(permissions.READ_RULES)
@require_safe
def rules(request: SignedInRequest) -> HttpResponse:
    """The rules in force, those that are switched off, and the versions."""
    ctx = request.access
    adopts = may(ctx, completion.ADOPT_RULES)
    context = {
        "rules": completion.rules_adopted(ctx),
        "versions": completion.rule_versions(ctx),
        "trials": completion.rule_trials(ctx) if adopts else [],
        "may_adopt": adopts,
    }
    return render(request, "web/chart_rules/list.html", context)


@screen(permissions.READ_RULES)
@require_safe
def version(request: SignedInRequest, version: int) -> HttpResponse:
    """A version: who switched it on, and what differs in it from the one before."""
    found = completion.rule_version(request.access, version) if version < 2**31 else None
    if found is None:
        raise Http404("There is no such version of the rules.")
    context = {"version": found, "may_adopt": may(request.access, completion.ADOPT_RULES)} | _scope(request.GET)
    return render(request, "web/chart_rules/version.html", context)


@screen(permissions.READ_RULES)
@require_safe
def rule(request: SignedInRequest, code: str) -> HttpResponse:
    """One rule: its source, what it demands, its numbers and its text."""
    return _rule(request, code)


def _rule(
    request: SignedInRequest,
    code: str,
    typed: QueryDict | None = None,
    problems: tuple[str, ...] = (),
    faults: dict[str, str] | None = None,
) -> HttpResponse:
    found = completion.rule_in_full(request.access, code)
    if found is None:
        raise Http404("There is no such rule; the list of rules shows all there are.")
    here = {each.rules_as or FacilityType.HOSPITAL for each in people.facilities() if each.closed_at is None}
    ways = [(each, "") for each in found.ways] + [(each, "yes") for each in found.off]
    # What holds at facilities that this site has stands first; the rest is folded.
    ours = [each for each in ways if not here or here & set(each[0].kinds)]
    context = {
        "rule": found,
        "ways": ours,
        "elsewhere": [each for each in ways if each not in ours],
        "typed": typed,
        "problems": problems,
        "faults": faults or {},
        "may_adopt": may(request.access, completion.ADOPT_RULES),
    } | _scope(typed or request.GET)
    return render(request, "web/chart_rules/rule.html", context, status=422 if problems else 200)


@screen(completion.ADOPT_RULES)
@require_POST
def change(request: SignedInRequest, code: str) -> HttpResponse:
    """Try a rule with other numbers, switched off, or switched on again."""
    sent = request.POST
    ways = {each.value: each for each in (Way.NUMBERS, Way.OFF, Way.ON)}
    way = ways.get(sent.get("act", ""))
    if way is None:
        raise Http404("There is no such act.")
    numbers = {
        name.removeprefix("number-")[:100]: value[:_LONGEST_NUMBER].replace("\0", "")
        for name, value in sent.items()
        if name.startswith("number-") and isinstance(value, str)
    }
    kinds = tuple(sent.get("kinds", "")[:300].split(","))
    recipe = Recipe(way, code=code, kinds=kinds, numbers=numbers if way is Way.NUMBERS else {})
    try:
        return redirect("chart-rules-trial", trial=completion.try_rules(request.access, recipe, _over(sent)))
    except completion.NumberError as error:
        return _rule(request, code, sent, tuple(error.problems), error.faults)
    except completion.RuleError as error:
        return _rule(request, code, sent, tuple(error.problems))


@screen(completion.ADOPT_RULES)
@require_POST
def back(request: SignedInRequest, version: int) -> HttpResponse:
    """Try the rules of a version of before; 0 is what is shipped."""
    try:
        trial = completion.try_rules(
            request.access, Recipe(Way.VERSION, version=min(version, 2**31 - 1)), _over(request.POST)
        )
    except completion.RuleError as error:
        messages.error(request, str(error))
        return redirect("chart-rules-version", version=version) if version else redirect("chart-rules")
    return redirect("chart-rules-trial", trial=trial)


@screen(completion.ADOPT_RULES)
@require_http_methods(["GET", "HEAD", "POST"])
def try_(request: SignedInRequest) -> HttpResponse:
    """Paste or choose a pack, and say over which charts it is tried; what is wrong in it stands beside its text."""
    text, over_shipped = "", False
    problems: tuple[completion.Problem, ...] = ()
    if request.method == "POST":
        sent = request.POST
        over_shipped = sent.get("laid") == "shipped"
        text, unreadable = _written(request)
        try:
            if unreadable:
                raise completion.RuleError([unreadable])
            recipe = Recipe(Way.PACK, text=text, shipped=over_shipped)
            return redirect("chart-rules-trial", trial=completion.try_rules(request.access, recipe, _over(sent)))
        except completion.RuleError as error:
            problems = completion.placed(error.problems, text)
    elif code := request.GET.get("rule", "")[:200]:
        found = completion.rule_in_full(request.access, code)
        text = found.yaml if found else ""
    context = {
        "text": text,
        "laid_over_shipped": over_shipped,
        "problems": problems,
        "rows": min(max(text.count("\n") + 2, 18), 40),
    } | _scope(request.POST if request.method == "POST" else request.GET)
    return render(request, "web/chart_rules/try.html", context, status=422 if problems else 200)


def _written(request: SignedInRequest) -> tuple[str, str]:
    """The pack that was sent, and why its file cannot be read; a chosen file goes before what is written."""
    chosen = request.FILES.get("file")
    if chosen is None:
        return request.POST.get("text", "").replace("\r\n", "\n"), ""
    if (chosen.size or 0) > _LONGEST_FILE:
        return request.POST.get("text", ""), "This file is far too long for a pack of rules."
    try:
        return chosen.read().decode("utf-8-sig").replace("\r\n", "\n"), ""
    except UnicodeDecodeError:
        return request.POST.get("text", ""), "This file is no text in UTF-8, so it is no pack of rules."


def _over(sent: QueryDict) -> Over:
    """The charts that a form chose. A month it does not name is this one."""
    which = next((each for each in Which if each.value == sent.get("which", "")), Which.AGAIN)
    months = {each.isoformat(): each for each in completion.recent_months()}
    month = months.get(sent.get("month", ""), next(iter(months.values()))) if which is Which.MONTH else None
    place = sent.get("facility", "")
    return Over(which, month, whole(place, SMALL))


def _scope(sent: QueryDict) -> dict[str, Any]:
    """What the choice of charts shows."""
    places = [each for each in people.facilities() if each.closed_at is None]
    return {
        "over": _over(sent),
        "whichs": list(Which),
        "months": completion.recent_months(),
        "places": places if len(places) > 1 else [],
    }


@screen(completion.ADOPT_RULES)
@require_safe
def trial(request: SignedInRequest, trial: UUID) -> HttpResponse:
    """A trial: how far it is, what the rules would do, and adopting them."""
    return render(request, "web/chart_rules/trial.html", _trial(request, trial))


@screen(completion.ADOPT_RULES, background=True)
@require_safe
def progress(request: SignedInRequest, trial: UUID) -> HttpResponse:
    """The same as a part of the page, asked for by itself while the worker is at it. Once it is over the page
    itself has other acts, so it is asked for whole."""
    context = _trial(request, trial)
    answer = render(request, "web/chart_rules/trial_part.html", context)
    if not context["running"]:
        answer["HX-Refresh"] = "true"
    return answer


def _trial(request: SignedInRequest, id: UUID) -> dict[str, Any]:
    found = completion.rule_trial(request.access, id)
    if found is None:
        raise Http404("There is no such trial of rules.")
    names = {each.id: each.name for each in people.facilities()}
    job = found.job if found.line.adopted is None else found.analysing
    under_way = not found.over and job is not None and not job.finished
    return {
        "trial": found,
        "line": found.line,
        "place": names.get(found.line.over.facility or 0, ""),
        "job": job,
        "running": under_way,
        "broken": not found.over and not under_way,
        "stopped": job is not None and job.state is JobState.CANCELLED,
    }


@screen(completion.ADOPT_RULES)
@require_safe
def trial_charts(request: SignedInRequest, trial: UUID, group: int) -> HttpResponse:
    """The charts behind a number of a trial."""
    page = page_of(request.GET.get("page", ""))
    found = completion.trial_charts(request.access, trial, group, page)
    if found is None:
        raise Http404("This trial has no such number.")
    note_charts(request.access, [each.line for each in found.charts if each.line], "rule-trial")
    context = {"found": found, "trial": trial, "next": f"?page={page + 1}" if found.more else ""}
    return render(request, "web/chart_rules/charts.html", context)


@screen(completion.ADOPT_RULES)
@require_POST
def adopt(request: SignedInRequest, trial: UUID) -> HttpResponse:
    """Adopt the rules of a trial, as they were shown."""
    sent = request.POST
    try:
        number = completion.adopt_tried(
            request.access,
            trial,
            sent.get("digest", ""),
            sent.get("note", "")[:_LONGEST_NUMBER],
            everything="everything" in sent,
        )
    except completion.CompletionError as error:
        context = _trial(request, trial) | {"fault": str(error), "note": sent.get("note", "")[:_LONGEST_NUMBER]}
        return render(request, "web/chart_rules/trial.html", context, status=422)
    messages.success(request, f"Version {number} is in force. The charts are analysed again by it.")
    return redirect("chart-rules-trial", trial=trial)


@screen(completion.ADOPT_RULES)
@require_POST
def stop(request: SignedInRequest, trial: UUID) -> HttpResponse:
    """Stop what the worker does for a trial."""
    if completion.rule_trial(request.access, trial) is None:
        raise Http404("There is no such trial of rules.")
    try:
        completion.stop_trial(request.access, trial)
    except completion.CompletionError as error:
        messages.error(request, str(error))
    return redirect("chart-rules-trial", trial=trial)


@screen(completion.ADOPT_RULES)
@require_POST
def again(request: SignedInRequest, trial: UUID) -> HttpResponse:
    """Try the same once more, over the rules in force now; of rules that were adopted, go on analysing by them."""
    found = completion.rule_trial(request.access, trial)
    if found is None:
        raise Http404("There is no such trial of rules.")
    try:
        if found.line.adopted is None:
            return redirect("chart-rules-trial", trial=completion.try_again(request.access, trial))
        completion.go_on(request.access, trial)
    except (completion.RuleError, completion.CompletionError) as error:
        messages.error(request, str(error))
    return redirect("chart-rules-trial", trial=trial)
