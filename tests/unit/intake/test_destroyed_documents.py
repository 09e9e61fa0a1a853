"""A single document that was destroyed is gone from the message that brought it, too; what else that message
brought stays, without its original."""

from __future__ import annotations

from typing import Any

from charthouse.foundation.access.api import AccessContext, Role
from charthouse.intake import api as intake
from charthouse.intake.models import MessageState
from charthouse.record import api as record
from charthouse.record.verifying import verify

ASKS = AccessContext("user:3", "M. Sato", frozenset({Role.HIT}))
CONFIRMS = AccessContext("user:4", "K. Obi", frozenset({Role.MANAGER}))


def test_the_message_of_a_destroyed_report_goes_and_its_visit_stays(inbox: Any, make: Any) -> None:
    old = "20120105080000"
    taken = inbox.take_one(
        make.hl7(
            "ORU^R01",
            f"OBR|1|P1|F1|58410-2^CBC^LN|||{old}|||||||||||||||{old}||LAB|F",
            f"OBX|1|NM|718-7^Hemoglobin^LN||13.25|g/dL||||||F|||{old}",
            at=old,
        )
    )
    assert taken.result.state is MessageState.FILED
    inbox.take_one(make.hl7("ADT^A01", at="20260105080000", control="C2"))
    (chart,) = inbox.charts()
    (time,) = record.document_times(ASKS, chart)
    assert time.over and time.title == "CBC"
    (visit,) = inbox.all_of("Encounter")
    before = intake.provenance(make.system, "Encounter", visit["id"], 1)
    assert before is not None and before.original is not None
    number = record.ask_to_destroy(ASKS, chart, "Its time is over.", [time.key])
    record.confirm_destruction(CONFIRMS, number, chart)
    assert {each.type for each in record.destroyed(make.system, chart)} == {"DiagnosticReport", "Observation"}
    bodies = [record.decompress(body) for (body,) in inbox.rows("SELECT body FROM intake_original")]
    assert len(bodies) == 1 and not any(b"13.25" in each for each in bodies)
    after = intake.provenance(make.system, "Encounter", visit["id"], 1)
    assert after is not None and after.original is None
    assert inbox.all_of("Encounter") and verify(processes=1).is_whole
    # The same message again would bring it back: it waits, and says why.
    again = inbox.take_one(
        make.hl7("ORU^R01", f"OBR|1|P1|F1|58410-2^CBC^LN|||{old}|||||||||||||||{old}||LAB|F", at=old, control="C3")
    )
    assert again.result.state is not MessageState.FILED
