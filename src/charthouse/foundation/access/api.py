"""Who is asking, in which role, for which purpose, and whether they may.

Every read takes an :class:`AccessContext`; every action calls :func:`require` first. A permission is declared
in its app's ``permissions.py`` and is refused to every role not named there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from .labels import ALL_LABELS, Label

__all__ = [
    "ALL_LABELS",
    "AccessContext",
    "Label",
    "Permission",
    "PermissionRefused",
    "Purpose",
    "Role",
    "declare",
    "may",
    "permissions",
    "require",
    "system_context",
]


class Role(StrEnum):
    """The department's roles. A person may hold several."""

    HIT = "health-information-technician"
    CODER = "coder"
    REGISTRAR = "cancer-registrar"
    RELEASE = "release-specialist"
    PRIVACY = "privacy-officer"
    COORDINATOR = "patient-coordinator"
    LAB_TECH = "laboratory-technician"
    MED_TECH = "medication-technician"
    PHYSICIAN = "physician"
    MANAGER = "him-manager"
    INSTRUCTOR = "instructor"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The role as people say it, e.g. "HIM manager"."""
        return _TITLES.get(self, self.value.replace("-", " ").capitalize())


_TITLES = {Role.MANAGER: "HIM manager"}


class Purpose(StrEnum):
    """Why data is used: the codes of HL7 v3 PurposeOfUse that the department meets."""

    TREATMENT = "TREAT"
    PAYMENT = "HPAYMT"
    OPERATIONS = "HOPERAT"
    RECORD_MANAGEMENT = "RECORDMGT"
    PATIENT_REQUEST = "PATRQT"
    PUBLIC_HEALTH = "PUBHLTH"
    RESEARCH = "HRESCH"
    LEGAL = "HLEGAL"
    EMERGENCY = "ETREAT"
    TRAINING = "TRAIN"
    SYSTEM = "SYSADMIN"


@dataclass(frozen=True, slots=True)
class AccessContext:
    """One asker at one moment. ``clearance`` is the label bitmask this asker may see; ``practitioners`` are the
    references (``Practitioner/id``) by which records name the asker, who is in the directory under each."""

    actor: str
    name: str
    roles: frozenset[Role]
    purpose: Purpose = Purpose.OPERATIONS
    clearance: Label = Label.NONE
    session: str = ""
    remote: str = ""
    facilities: frozenset[int] = field(default_factory=frozenset)
    practitioners: frozenset[str] = field(default_factory=frozenset)

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything that names this asker in a record: the account, and the practitioner they are."""
        return self.actor, *sorted(self.practitioners)

    @property
    def is_system(self) -> bool:
        return self.actor.startswith("system:")

    def for_purpose(self, purpose: Purpose) -> Self:
        """The same asker with another purpose of use."""
        return replace(self, purpose=purpose)

    def sees(self, labels: int) -> bool:
        """Whether a row with these labels is visible to this asker."""
        return labels & ~int(self.clearance) == 0


@dataclass(frozen=True, slots=True)
class Permission:
    """A named right and the roles that hold it."""

    code: str
    title: str
    roles: frozenset[Role]


class PermissionRefused(Exception):
    """The asker's roles do not include the right; carries the permission for the ledger and the screen."""

    def __init__(self, permission: Permission, ctx: AccessContext) -> None:
        super().__init__(f"{ctx.name or ctx.actor} may not: {permission.title}.")
        self.permission = permission
        self.ctx = ctx


_permissions: dict[str, Permission] = {}


def declare(code: str, title: str, roles: Iterable[Role]) -> Permission:
    """Declare a permission once. ``code`` is ``app.what``; raises ValueError when declared differently twice."""
    permission = Permission(code, title, frozenset(roles))
    if _permissions.setdefault(code, permission) != permission:
        raise ValueError(f"The permission {code} is declared twice with different roles.")
    return permission


def permissions() -> list[Permission]:
    """All declared permissions, by code."""
    return [_permissions[code] for code in sorted(_permissions)]


def may(ctx: AccessContext, permission: Permission) -> bool:
    """Whether the asker holds the permission. The system itself may do everything."""
    return ctx.is_system or not permission.roles.isdisjoint(ctx.roles)


def require(ctx: AccessContext, permission: Permission) -> None:
    """Raise PermissionRefused unless the asker holds the permission."""
    if not may(ctx, permission):
        raise PermissionRefused(permission, ctx)


def system_context(part: str) -> AccessContext:
    """The context of an unattended part of Charthouse, e.g. ``system_context("intake")``."""
    return AccessContext(
        actor=f"system:{part}",
        name=part,
        roles=frozenset(),
        purpose=Purpose.RECORD_MANAGEMENT,
        clearance=ALL_LABELS,
    )
