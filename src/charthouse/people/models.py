"""Accounts and their sessions; the organization, its facilities and MRN assigners; the practitioner directory."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac

from charthouse.foundation.access.api import Role
from charthouse.foundation.ids import new_id
from charthouse.foundation.tables import TableClass, table

from .domain.check_digits import CheckDigit
from .domain.usernames import USERNAME_PATTERN

_KEY = "C"


@table(TableClass.DIRECTORY)
class User(AbstractUser):
    """A member of staff who signs in, by user name or e-mail address. Never deleted, only disabled."""

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    username = models.CharField(max_length=64, unique=True, validators=[RegexValidator(USERNAME_PATTERN)])
    display_name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.TextField(blank=True)
    must_change_password = models.BooleanField(default=False)
    must_enrol_totp = models.BooleanField(default=True)
    session_version = models.PositiveIntegerField(default=0)
    practitioner = models.OneToOneField(
        "people.Practitioner", on_delete=models.PROTECT, null=True, related_name="account"
    )

    REQUIRED_FIELDS: ClassVar[list[str]] = ["display_name"]

    class Meta:
        db_table = "people_user"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(username=Lower("username")), name="people_user_username_lower"
            ),
            models.CheckConstraint(
                condition=models.Q(is_active=True, disabled_at=None)
                | models.Q(is_active=False, disabled_at__isnull=False),
                name="people_user_disabled_says_when",
            ),
            models.UniqueConstraint(
                Lower("email"), condition=~models.Q(email=""), name="people_user_email_once_where_given"
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)

    @property
    def actor(self) -> str:
        """How the ledger and the access context name this account."""
        return f"user:{self.pk}"

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Sessions hold this hash; a new password or session version makes every older session void."""
        return salted_hmac(
            "charthouse.people.session",
            f"{self.session_version}:{self.password}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()


@table(TableClass.DIRECTORY)
class RoleGrant(models.Model):
    """A role a person holds for a time, at one facility or (``facility`` null) at all. Ended, never deleted."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=40, choices=[(role.value, role.title) for role in Role])
    facility = models.ForeignKey("people.Facility", on_delete=models.PROTECT, null=True)
    valid_from = models.DateTimeField(db_default=Now())
    valid_until = models.DateTimeField(null=True)
    granted_by = models.CharField(max_length=80)
    ended_by = models.CharField(max_length=80, blank=True)

    class Meta:
        db_table = "people_role_grant"
        indexes = [models.Index(fields=["user"], name="people_role_grant_user")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]), name="people_role_grant_known_role"
            ),
            models.UniqueConstraint(
                fields=["user", "role", "facility"],
                condition=models.Q(valid_until=None),
                nulls_distinct=False,
                name="people_role_grant_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{Role(self.role).title} of {self.user_id}"


@table(TableClass.MACHINERY)
class Session(models.Model):
    """One browser's session. The cookie's key is not here, only its SHA-256, so that a dump opens no session.

    ``id`` is what the ledger, the account page and the access context name the session by; it stays when the key is
    changed. Sessions nobody signed in to have no user. An ended session keeps its row without its data.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key_hash = models.BinaryField(unique=True, max_length=32)
    data = models.TextField(blank=True)
    expires_at = models.DateTimeField()
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="sessions")
    remote = models.CharField(max_length=45, blank=True)
    device = models.CharField(max_length=120, blank=True)
    second_factor = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    locked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "people_session"
        indexes = [
            models.Index(fields=["user", "-started_at"], name="people_session_user"),
            models.Index(
                fields=["expires_at"], name="people_session_expires", condition=models.Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


@table(TableClass.MACHINERY)
class Invitation(models.Model):
    """The right to set an account's password once, with a code handed over on paper or by voice.

    Only the code's SHA-256 is here. A new invitation voids the one before; rows are kept.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations")
    code_hash = models.BinaryField(max_length=32)
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.CharField(max_length=80)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    voided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "people_invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(used_at=None, voided_at=None),
                name="people_invitation_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"Invitation {self.pk}"


@table(TableClass.MACHINERY)
class TourProgress(models.Model):
    """How far one person is on the tour of the screens: ``step`` of it done, left or finished when."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="tour")
    step = models.PositiveSmallIntegerField(default=0)
    left_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "people_tour_progress"

    def __str__(self) -> str:
        return f"Tour of {self.user_id}"


@table(TableClass.DIRECTORY)
class Organization(models.Model):
    """The one organization whose records this database holds."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=200)
    time_zone = models.CharField(max_length=64)
    npi = models.CharField(max_length=10, blank=True)

    class Meta:
        db_table = "people_organization"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="people_organization_is_one")]

    def __str__(self) -> str:
        return self.name


class FacilityKind(models.TextChoices):
    """Which rule packs hold at a facility."""

    HOSPITAL = "hospital", "Hospital"
    CRITICAL_ACCESS = "cah", "Critical access hospital"
    CLINIC = "clinic", "Clinic"
    AMBULATORY_SURGERY = "asc", "Ambulatory surgery center"
    LABORATORY = "laboratory", "Laboratory"
    NURSING = "nursing", "Nursing facility"
    ASSISTED_LIVING = "assisted-living", "Assisted living"


@table(TableClass.DIRECTORY)
class Facility(models.Model):
    """A place of care inside the organization."""

    code = models.CharField(max_length=40, unique=True, db_collation=_KEY)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=FacilityKind)
    time_zone = models.CharField(max_length=64)
    address = models.TextField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    npi = models.CharField(max_length=10, blank=True)
    ccn = models.CharField(max_length=10, blank=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "people_facility"

    def __str__(self) -> str:
        return self.name


@table(TableClass.DIRECTORY)
class MrnAssigner(models.Model):
    """Who numbers charts: the identifier system, and how its next number is made."""

    system = models.CharField(max_length=255, unique=True, db_collation=_KEY)
    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, null=True)
    prefix = models.CharField(max_length=12, blank=True)
    width = models.PositiveSmallIntegerField(default=6)
    check_digit = models.CharField(max_length=20, choices=[(m.value, m.value) for m in CheckDigit], default="none")
    next = models.PositiveBigIntegerField(default=1)

    class Meta:
        db_table = "people_mrn_assigner"

    def __str__(self) -> str:
        return self.system


@table(TableClass.DIRECTORY)
class Practitioner(models.Model):
    """One entry of the practitioner directory, as a sender named it.

    ``merged_into`` is the entry this one was joined to; ``canonical`` the entry at the root of that tree, itself
    where not merged. Reads follow ``canonical``; a merge rewrites nothing else, so that it can be undone.
    ``npi_corrected`` says that a person set or cleared the NPI, which records arriving then leave alone.
    """

    public_id = models.CharField(max_length=64, unique=True, db_collation=_KEY)
    family = models.CharField(max_length=200, blank=True)
    given = models.CharField(max_length=200, blank=True)
    prefix = models.CharField(max_length=60, blank=True)
    suffix = models.CharField(max_length=60, blank=True)
    credentials = models.CharField(max_length=120, blank=True)
    search_key = models.CharField(max_length=700, blank=True, db_collation=_KEY)
    npi = models.CharField(max_length=10, null=True, db_collation=_KEY)
    npi_corrected = models.BooleanField(default=False)
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="merged")
    canonical = models.ForeignKey("self", on_delete=models.PROTECT, related_name="joined")
    source = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "people_practitioner"
        constraints = [
            models.UniqueConstraint(
                fields=["npi"],
                condition=models.Q(merged_into=None, npi__isnull=False),
                name="people_practitioner_npi_once",
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into=None) | ~models.Q(merged_into=models.F("id")),
                name="people_practitioner_not_into_itself",
            ),
        ]
        indexes = [
            GinIndex(fields=["search_key"], opclasses=["gin_trgm_ops"], name="people_practitioner_search"),
            models.Index(fields=["npi"], name="people_practitioner_npi"),
        ]

    def __str__(self) -> str:
        return self.public_id


@table(TableClass.DIRECTORY)
class PractitionerIdentifier(models.Model):
    """A number a practitioner is known by in some system."""

    practitioner = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="identifiers")
    system = models.CharField(max_length=255, db_collation=_KEY)
    value = models.CharField(max_length=255, db_collation=_KEY)

    class Meta:
        db_table = "people_practitioner_identifier"
        constraints = [
            models.UniqueConstraint(
                fields=["practitioner", "system", "value"], name="people_practitioner_identifier_once"
            )
        ]
        indexes = [models.Index(fields=["value", "system"], name="people_practitioner_ident_seek")]

    def __str__(self) -> str:
        return f"{self.system}|{self.value}"


@table(TableClass.DIRECTORY)
class PractitionerMerge(models.Model):
    """One merge or its inverse. Rows are only ever added."""

    class Kind(models.TextChoices):
        MERGE = "merge"
        UNMERGE = "unmerge"

    kind = models.CharField(max_length=8, choices=Kind)
    survivor = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="+")
    other = models.ForeignKey(Practitioner, on_delete=models.PROTECT, related_name="merges")
    reason = models.TextField()
    actor = models.CharField(max_length=80)
    at = models.DateTimeField(db_default=Now())
    undoes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="undone_by")

    class Meta:
        db_table = "people_practitioner_merge"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="merge", undoes=None) | models.Q(kind="unmerge", undoes__isnull=False),
                name="people_practitioner_merge_inverse_names_its_merge",
            )
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="append_only_truncate",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Truncate,
                func="RAISE EXCEPTION 'Merges of practitioners are only ever added';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
