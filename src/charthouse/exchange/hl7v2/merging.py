"""How a partial draft meets what is stored. Pure: dicts in, a new dict out, nothing given is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from charthouse.exchange.drafts import Draft

from .systems import SSN

Json = dict[str, Any]

_CHOICES = ("deceased", "multipleBirth", "onset", "effective", "occurrence", "performed", "value", "abatement")
_OWN = frozenset({"resourceType", "id"})


def merge_partial(current: Json | None, draft: Draft) -> Json:
    """The stored resource with a partial draft laid over it.

    Elements the draft says replace those stored, except: identifiers and extensions are joined (by system and
    value, by URL), security labels are joined, a choice (``deceased[x]``) replaces its whole choice, and a
    document's content is never replaced by a mere title. What the draft cleared is gone.
    """
    incoming = draft.resource
    if current is None:
        return dict(incoming)
    result = dict(current)
    for name in draft.cleared:
        _clear(result, name)
    for name, value in incoming.items():
        if name in _OWN:
            continue
        match name:
            case "identifier" if isinstance(value, list):
                result[name] = _join_identifiers(result.get(name, []), value)
            case "extension":
                result[name] = _join_extensions(result.get(name, []), value)
            case "meta":
                result[name] = _join_meta(result.get(name, {}), value)
            case "content" if draft.type == "DocumentReference":
                if any(_has_body(entry) for entry in value) or not any(
                    _has_body(entry) for entry in result.get(name, [])
                ):
                    result[name] = value
            case _:
                _replace_choice(result, name)
                result[name] = value
    return result


def merge_patient(current: Json | None, draft: Draft) -> Json:
    """The stored Patient with a Patient draft laid over it (A08, A31, or the PID of any message).

    As :func:`merge_partial`, and: names, telecoms and addresses replace those of their kind. PID-5 replaces the
    names in use, PID-9 the aliases (use ``old`` and ``nickname``); PID-13 the home numbers, PID-14 the work
    numbers. A new social security or driver's licence number replaces the old one.
    """
    if current is None:
        return dict(draft.resource)
    result = merge_partial(current, draft)
    incoming = draft.resource
    for name, kind in (("name", _name_kind), ("telecom", _telecom_kind)):
        if name in incoming or any(each.startswith(f"{name}:") for each in draft.cleared):
            gone = {each.partition(":")[2] for each in draft.cleared if each.startswith(f"{name}:")}
            merged = _by_kind(current.get(name, []), incoming.get(name, []), kind, gone)
            if merged:
                result[name] = merged
            else:
                result.pop(name, None)
    born = incoming.get("birthDate")
    if born and "_birthDate" not in incoming and not _birth_time(current).startswith(born):
        result.pop("_birthDate", None)
    return result


def _birth_time(patient: Json) -> str:
    for extension in (patient.get("_birthDate") or {}).get("extension", []):
        if "valueDateTime" in extension:
            return str(extension["valueDateTime"])
    return ""


def _clear(result: Json, name: str) -> None:
    whole, _, part = name.partition(":")
    if whole == "extension":
        kept = [e for e in result.get("extension", []) if e.get("url", "").rpartition("/")[2] != part]
        _put(result, "extension", kept)
    elif whole == "meta.security":
        meta = dict(result.get("meta", {}))
        kept = [c for c in meta.get("security", []) if c.get("code") != part]
        _put(meta, "security", kept)
        _put(result, "meta", meta)
    elif part:
        return  # of a kind: merge_patient sees to it
    elif "." in whole:
        outer, _, inner = whole.partition(".")
        if isinstance(result.get(outer), dict):
            rest = {key: value for key, value in result[outer].items() if key != inner}
            _put(result, outer, rest)
    elif whole in _CHOICES:
        _drop_choice(result, whole)
    else:
        result.pop(whole, None)
        result.pop(f"_{whole}", None)


def _put(result: Json, name: str, value: Any) -> None:
    if value:
        result[name] = value
    else:
        result.pop(name, None)


def _replace_choice(result: Json, name: str) -> None:
    for choice in _CHOICES:
        if name.startswith(choice) and name[len(choice) :][:1].isupper():
            _drop_choice(result, choice)


def _drop_choice(result: Json, choice: str) -> None:
    for name in [n for n in result if n.startswith(choice) and n[len(choice) :][:1].isupper()]:
        del result[name]


def _type_of(identifier: Json) -> str:
    codings = (identifier.get("type") or {}).get("coding") or [{}]
    return str(codings[0].get("code", ""))


def _join_identifiers(current: list[Json], incoming: list[Json]) -> list[Json]:
    same = {(one.get("system"), one.get("value")) for one in incoming}
    single = {_type_of(one) for one in incoming} & {"SS", "DL"}
    if any(one.get("system") == SSN for one in incoming):
        single.add("SS")
    kept = [
        one
        for one in current
        if (one.get("system"), one.get("value")) not in same
        and _type_of(one) not in single
        and not ("SS" in single and one.get("system") == SSN)
    ]
    return incoming + kept


def _join_extensions(current: list[Json], incoming: list[Json]) -> list[Json]:
    urls = {one.get("url") for one in incoming}
    return [one for one in current if one.get("url") not in urls] + incoming


def _join_meta(current: Json, incoming: Json) -> Json:
    result = {**current, **incoming}
    if "security" in current and "security" in incoming:
        seen = {(c.get("system"), c.get("code")) for c in incoming["security"]}
        older = [c for c in current["security"] if (c.get("system"), c.get("code")) not in seen]
        result["security"] = older + incoming["security"]
    return result


def _has_body(entry: Json) -> bool:
    attachment = entry.get("attachment", {})
    return bool(attachment.get("data") or attachment.get("url"))


def _by_kind(current: list[Json], incoming: list[Json], kind: Callable[[Json], str], gone: set[str]) -> list[Json]:
    replaced = {kind(one) for one in incoming} | gone
    return incoming + [one for one in current if kind(one) not in replaced]


def _name_kind(name: Json) -> str:
    return "alias" if name.get("use") in ("old", "nickname", "maiden") else "own"


def _telecom_kind(telecom: Json) -> str:
    return "work" if telecom.get("use") == "work" else "home"
