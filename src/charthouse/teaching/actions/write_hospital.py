"""Write a hospital's feeds as files, with the answer key beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from charthouse.teaching.domain.hospital import Hospital, patients

#: So many patients stand in one HL7 file.
_A_FILE = 256


class NotEmpty(Exception):
    """The folder holds something already; the message names it."""


def write_hospital(hospital: Hospital, count: int, folder: Path, tell: Callable[[int], None]) -> tuple[int, int]:
    """Write ``count`` patients under ``folder``; answers how many messages and how many answers.

    ``feeds/hospital-00001.hl7`` holds the hospital's messages, ``feeds/clinic/…json`` a bundle each,
    ``answers.jsonl`` the key, ``about.json`` what it was made from. Memory does not grow with ``count``. Raises
    NotEmpty for a folder that is not empty, and OSError.
    """
    if folder.exists() and any(folder.iterdir()):
        raise NotEmpty(f"{folder} is not empty. Name a new folder; nothing was written.")
    feeds, clinic = folder / "feeds", folder / "feeds" / "clinic"
    clinic.mkdir(parents=True)
    messages = answers = 0
    with (folder / "answers.jsonl").open("wb") as key:
        for first in range(1, count + 1, _A_FILE):
            last = min(first + _A_FILE - 1, count)
            with (feeds / f"hospital-{first:06d}.hl7").open("wb") as file:
                for told in patients(hospital, first, last):
                    for each in told.messages:
                        messages += 1
                        if each.bundle:
                            (clinic / f"{each.control}.json").write_bytes(each.data)
                        else:
                            file.write(each.data)
                    for answer in told.answers:
                        answers += 1
                        key.write(orjson.dumps(answer.line()) + b"\n")
                    tell(1)
    about = {
        "patients": count,
        "seed": hospital.seed,
        "anchor": hospital.anchor.isoformat(),
        "planted": dict(sorted(hospital.rates.items())),
        "messages": messages,
        "answers": answers,
    }
    (folder / "about.json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2))
    return messages, answers
