"""Systems that use the FHIR API, their tokens, and their exports."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from charthouse.foundation.tables import Split, TableClass, table


@table(TableClass.DIRECTORY)
class ApiClient(models.Model):
    """A system that may use the API: the role it stands for, its purpose, and where records are disclosed to.

    One with keys (``jwks`` or ``jwks_url``) asks for short-lived tokens itself; one without has a token that was
    made for it. ``client_id`` is what it calls itself in OAuth. Revoked, never deleted.
    """

    client_id = models.TextField(db_collation="C", unique=True)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=40)
    purpose = models.CharField(max_length=20)
    address = models.TextField(blank=True, default="")
    scopes = models.TextField()
    jwks = models.JSONField(null=True)
    jwks_url = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        db_table = "fhir_client"
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(revoked_at=None), name="fhir_client_name_once_in_force"
            )
        ]

    def __str__(self) -> str:
        return self.name


@table(TableClass.MACHINERY)
class AccessToken(models.Model):
    """A bearer token: its SHA-256 only. ``expires_at`` is null for one that holds until it is revoked."""

    digest = models.BinaryField(unique=True)
    client = models.ForeignKey(ApiClient, on_delete=models.PROTECT, related_name="tokens")
    scopes = models.TextField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "fhir_token"
        indexes = [
            models.Index(
                fields=["expires_at"], name="fhir_token_expires", condition=models.Q(expires_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"Token {self.pk}"


@table(TableClass.MACHINERY)
class UsedAssertion(models.Model):
    """The ``jti`` of a client's assertion, kept until the assertion has expired, so that none is good twice."""

    digest = models.BinaryField(primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "fhir_used_assertion"

    def __str__(self) -> str:
        return f"Assertion until {self.expires_at}"


@table(TableClass.MACHINERY)
class TokenFailure(models.Model):
    """Failed requests for a token from one address in a row, and when the last one was."""

    remote = models.TextField(db_collation="C", primary_key=True)
    failures = models.IntegerField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "fhir_token_failure"

    def __str__(self) -> str:
        return f"{self.failures} failures"


@table(TableClass.MACHINERY)
class Export(models.Model):
    """A bulk export as it was asked for. ``patients`` are source patients' rows, null for everything there is.

    ``taken_at`` is the instant whose state it gives, set when the job begins, and again when it has to begin anew.
    ``filters`` are searches (``Type?name=value``), one of which a resource of the type has to meet;
    ``passed_over`` are sentences of the parameters that were asked for and are not served.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True)
    client = models.ForeignKey(ApiClient, on_delete=models.PROTECT, related_name="exports")
    request = models.TextField()
    level = models.CharField(max_length=10)
    types = ArrayField(models.TextField(db_collation="C"))
    since = models.DateTimeField(null=True)
    patients = ArrayField(models.BigIntegerField(), null=True)
    elements = ArrayField(models.TextField(db_collation="C"), default=list)
    scopes = models.TextField()
    filters = ArrayField(models.TextField(), default=list)
    passed_over = ArrayField(models.TextField(), default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    job = models.BigIntegerField(null=True)
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "fhir_export"
        indexes = [
            models.Index(fields=["client", "state"], name="fhir_export_client"),
            models.Index(fields=["expires_at"], name="fhir_export_expires"),
        ]

    def __str__(self) -> str:
        return f"Export {self.pk}"


@table(TableClass.MACHINERY)
class ExportFile(models.Model):
    """A finished file of an export: resources of one type, or with ``is_deleted`` bundles of what was deleted.

    ``group`` and ``row`` say where the next file goes on.
    """

    id = models.UUIDField(primary_key=True)
    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="files")
    type = models.TextField(db_collation="C")
    is_deleted = models.BooleanField(default=False)
    number = models.IntegerField()
    group = models.IntegerField()
    row = models.BigIntegerField()
    file = models.UUIDField()
    lines = models.BigIntegerField()
    size = models.BigIntegerField()

    class Meta:
        db_table = "fhir_export_file"
        constraints = [
            models.UniqueConstraint(
                fields=["export", "type", "is_deleted", "number"], name="fhir_export_file_part_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.number}"


@table(TableClass.PATIENT, split=Split.WITH)
class Finding(models.Model):
    """Something that the second tier found wrong in the current version of a resource.

    ``rule`` is the kind of finding, the same for every resource that has it. It counts from ``counts_from`` on:
    what a reference names may come later. ``target_type`` and ``target_id`` are that resource, while it is missing.
    """

    id = models.BigAutoField(primary_key=True)
    type = models.SmallIntegerField()
    resource = models.BigIntegerField()
    version = models.IntegerField()
    source = models.IntegerField()
    rule = models.TextField(db_collation="C")
    severity = models.CharField(max_length=7)
    code = models.TextField(db_collation="C")
    path = models.TextField(db_collation="C")
    message = models.TextField()
    counts_from = models.DateTimeField()
    target_type = models.SmallIntegerField(null=True)
    target_id = models.TextField(db_collation="C", null=True)

    class Meta:
        db_table = "fhir_finding"
        indexes = [
            models.Index(fields=["type", "resource"], name="fhir_finding_resource"),
            models.Index(fields=["source", "rule", "type", "resource"], name="fhir_finding_rule"),
            models.Index(
                fields=["target_type", "target_id"],
                name="fhir_finding_target",
                condition=models.Q(target_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} in {self.type}/{self.resource}"


@table(TableClass.MACHINERY)
class FindingKind(models.Model):
    """A kind of finding in what one sender sends, and in how many resources it was found when last counted."""

    source = models.IntegerField()
    rule = models.TextField(db_collation="C")
    severity = models.CharField(max_length=7)
    message = models.TextField()
    resources = models.BigIntegerField()
    counted_at = models.DateTimeField()

    class Meta:
        db_table = "fhir_finding_kind"
        constraints = [models.UniqueConstraint(fields=["source", "rule"], name="fhir_finding_kind_once")]

    def __str__(self) -> str:
        return f"{self.rule} of {self.source}"


@table(TableClass.REFERENCE)
class Conformance(models.Model):
    """A profile or value set that was loaded: a StructureDefinition with its snapshot, or a ValueSet, in zstd.

    ``for_all`` checks every resource of the profile's type, not only those that claim it.
    """

    url = models.TextField(db_collation="C", primary_key=True)
    kind = models.TextField(db_collation="C")
    version = models.TextField(db_collation="C", blank=True, default="")
    title = models.TextField()
    type = models.TextField(db_collation="C", blank=True, default="")
    package = models.TextField(blank=True, default="")
    for_all = models.BooleanField(default=False)
    loaded_at = models.DateTimeField()
    content = models.BinaryField()

    class Meta:
        db_table = "fhir_conformance"

    def __str__(self) -> str:
        return self.url
