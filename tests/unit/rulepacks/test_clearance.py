"""Which labels a role may see."""

from __future__ import annotations

import pytest

from charthouse.foundation import clock
from charthouse.foundation.access.api import ALL_LABELS, Label, Role
from charthouse.foundation.access.clearance import clearance_for, matrix


def test_every_label_has_a_rule() -> None:
    assert set(matrix(clock.wall().date())) == {label for label in Label if label}


def test_no_role_sees_nothing_labelled_and_roles_add_up() -> None:
    assert clearance_for([]) == Label.NONE
    both = clearance_for([Role.CODER, Role.COORDINATOR])
    assert both == clearance_for([Role.CODER]) | clearance_for([Role.COORDINATOR])


def test_psychotherapy_notes_are_kept_apart_from_every_treating_and_filing_role() -> None:
    """45 CFR 164.508(a)(2): an authorization for nearly every use; the originator's own is no matter of role."""
    assert {role for role in Role if Label.PSYCHOTHERAPY & clearance_for([role])} == {Role.PRIVACY}


@pytest.mark.parametrize("role", [Role.INSTRUCTOR, Role.AUDITOR, Role.ADMINISTRATOR])
def test_those_who_do_not_work_with_records_see_nothing_labelled(role: Role) -> None:
    assert clearance_for([role]) == Label.NONE


def test_the_front_desk_can_greet_everybody_and_reads_nothing_clinical() -> None:
    assert clearance_for([Role.COORDINATOR]) == Label.VIP | Label.EMPLOYEE


def test_the_privacy_officer_answers_for_every_label() -> None:
    assert clearance_for([Role.PRIVACY]) == ALL_LABELS
