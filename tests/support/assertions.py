"""A backend service's side of SMART: keys, their public set, and signed assertions."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


@lru_cache
def _made(algorithm: str, number: int) -> Any:
    if algorithm == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Service:
    """A service with one key pair, ``number`` telling pairs apart."""

    algorithm: str = "ES384"
    number: int = 0
    kid: str = "key-1"
    client_id: str = ""
    key: Any = field(init=False)

    def __post_init__(self) -> None:
        self.key = _made("ES384" if self.algorithm.startswith("ES") else "RS384", self.number)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public set."""
        public = self.key.public_key()
        made = (ECAlgorithm if self.algorithm == "ES384" else RSAAlgorithm).to_jwk(public)
        return {"keys": [{**json.loads(made), "kid": self.kid, "use": "sig", "alg": self.algorithm}]}

    def assertion(self, audience: str, *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed assertion; a claim of None is left out."""
        given = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "exp": int(time.time()) + 240,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in given.items() if value is not None},
            self.key,
            algorithm=self.algorithm,
            headers={"kid": self.kid, **(head or {})},
        )

    def form(self, audience: str, scope: str, **claims: Any) -> dict[str, str]:
        """The form of a request for a token."""
        return {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(audience, **claims),
        }
