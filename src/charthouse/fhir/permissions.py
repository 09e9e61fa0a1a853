"""What may be done with the FHIR API. What a client may do is said by its scopes and by the role it stands for."""

from __future__ import annotations

from charthouse.foundation.access.api import Role, declare

#: The roles that may read charts here; a client stands for one of them.
_READERS = {
    Role.HIT,
    Role.CODER,
    Role.REGISTRAR,
    Role.RELEASE,
    Role.PRIVACY,
    Role.COORDINATOR,
    Role.LAB_TECH,
    Role.MED_TECH,
    Role.PHYSICIAN,
    Role.MANAGER,
}

READ = declare("fhir.read", "Read records through the FHIR API", _READERS)
WRITE = declare(
    "fhir.write",
    "Write records through the FHIR API",
    {Role.HIT, Role.COORDINATOR, Role.LAB_TECH, Role.MED_TECH, Role.PHYSICIAN, Role.MANAGER},
)
SEE_CLIENTS = declare(
    "fhir.see_clients",
    "See which systems may use the FHIR API",
    {Role.ADMINISTRATOR, Role.MANAGER, Role.PRIVACY, Role.AUDITOR},
)
MANAGE_CLIENTS = declare(
    "fhir.manage_clients", "Add and revoke systems that use the FHIR API", {Role.ADMINISTRATOR}
)
SEE_FINDINGS = declare(
    "fhir.see_findings",
    "See what was found wrong in what senders send",
    {Role.HIT, Role.MANAGER},
)
CHECK = declare("fhir.check", "Have the record checked anew; load profiles", {Role.ADMINISTRATOR, Role.MANAGER})
