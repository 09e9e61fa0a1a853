"""Which other systems are told of merges, their undoing and splits."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from charthouse.foundation.access.api import AccessContext, require
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Subject, append
from charthouse.identity.models import NoticeDestination
from charthouse.identity.permissions import MANAGE_NOTICES

_SCHEMES = {
    "mllp": "mllp://host:port",
    "http": "http://host/path",
    "https": "https://host/path",
    "file": "file:///folder",
}
_LONGEST = 200


class DestinationError(ValueError):
    """A destination cannot be set up or let go as asked; the message says why."""


def add_destination(
    ctx: AccessContext, name: str, address: str, format: str, application: str = "", facility: str = ""
) -> int:
    """Tell another system from now on; returns the destination's number.

    ``format`` is hl7v2 or fhir, ``application`` and ``facility`` how HL7 v2 names the receiver. Raises
    PermissionRefused, DestinationError.
    """
    require(ctx, MANAGE_NOTICES)
    name = " ".join(name.split())[:_LONGEST]
    if not name:
        raise DestinationError("Say what the other system is called.")
    if format not in NoticeDestination.Format.values:
        raise DestinationError(f"There is no format {format!r}; choose hl7v2 or fhir.")
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    wanted = _SCHEMES.get(parts.scheme)
    whole = parts.path.startswith("/") and not parts.netloc if parts.scheme == "file" else bool(parts.hostname)
    if wanted is None or not whole or (parts.scheme == "mllp" and not port):
        raise DestinationError(
            f"This is no address that can be sent to. Write it like {wanted or ', '.join(_SCHEMES.values())}."
        )
    if parts.username or parts.password:
        raise DestinationError("An address holds no password; put one in front of the receiver's listener.")
    if parts.scheme == "mllp" and format != NoticeDestination.Format.HL7V2:
        raise DestinationError("MLLP carries HL7 v2. Choose the format hl7v2, or an http address.")
    try:
        with transaction.atomic():
            made = NoticeDestination.objects.create(
                name=name,
                address=address,
                format=format,
                application=application[:_LONGEST],
                facility=facility[:_LONGEST],
                added_by=ctx.actor,
                added_at=wall(),
            )
            append(ctx, "identity.add-destination", subjects=[Subject("destination", str(made.pk))])
    except IntegrityError:
        raise DestinationError(f"There is a destination called {name} already.") from None
    return int(made.pk)


def remove_destination(ctx: AccessContext, name: str) -> None:
    """Tell a system no more; what waits for it is still sent. Raises PermissionRefused, DestinationError."""
    require(ctx, MANAGE_NOTICES)
    with transaction.atomic():
        found = NoticeDestination.objects.select_for_update().filter(name=name, removed_at=None).first()
        if found is None:
            raise DestinationError(
                f"There is no destination called {name}; `charthouse identity notify list` shows them."
            )
        NoticeDestination.objects.filter(pk=found.pk).update(removed_at=wall())
        append(ctx, "identity.remove-destination", subjects=[Subject("destination", str(found.pk))])
