"""What OAuth 2 answers: errors by their names, and what this server offers to systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(slots=True)
class OAuthError(Exception):
    """A refusal as RFC 6749, section 5.2, names it, with the sentence for whoever runs the client."""

    error: str
    description: str
    status: int = 400
    retry_after: int = 0

    def __str__(self) -> str:
        return self.description

    def as_json(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.error, "error_description": self.description}


def smart_configuration(base: str, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """``.well-known/smart-configuration``. Signing in of persons (App Launch) is not offered, so there is no
    authorization endpoint."""
    return {
        "token_endpoint": f"{base}/auth/token",
        "introspection_endpoint": f"{base}/auth/introspect",
        "revocation_endpoint": f"{base}/auth/revoke",
        "grant_types_supported": [CLIENT_CREDENTIALS],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(algorithms),
        "scopes_supported": ["system/*.cruds", "system/*.read", "system/*.write", "system/*.*"],
        "response_types_supported": [],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }
