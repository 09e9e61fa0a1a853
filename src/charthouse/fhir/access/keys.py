"""Public keys of clients: JSON Web Key Sets given or fetched (RFC 7517), of the kinds that SMART asks for."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.exceptions import InvalidKeyError, PyJWKError

from charthouse.configuration import configuration
from charthouse.fhir.domain.errors import ClientError

#: What assertions may be signed with: what SMART asks for. Weaker digests and shared secrets are refused.
ALGORITHMS = ("RS384", "ES384")
_KINDS = {"RSA": "RS384", "EC": "ES384"}
_MEMBERS = ("kty", "kid", "n", "e", "crv", "x", "y", "alg", "use")
_MOST_KEYS = 20
_LARGEST = 64_000
_TIMEOUT = 5.0
#: seconds for which fetched keys are used, and between two fetches for a key that is not among them
_KEEP, _AGAIN = 600.0, 10.0


def check_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """A JWKS with public signing keys alone, each with its ``kid``. Raises ClientError, also for a private key: its
    owner should keep that to itself."""
    keys = given.get("keys") if isinstance(given, Mapping) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise ClientError(f'A JSON Web Key Set looks like {{"keys": [...]}} and has from 1 to {_MOST_KEYS} keys.')
    kept: list[dict[str, Any]] = []
    for number, key in enumerate(keys, start=1):
        if not isinstance(key, dict):
            raise ClientError(f"Key {number} is no JSON object.")
        if "d" in key or "k" in key:
            raise ClientError(
                f"Key {number} is private. Only public keys belong here; make a new pair, for this one was shown."
            )
        if key.get("use", "sig") != "sig" or _KINDS.get(str(key.get("kty"))) is None:
            continue
        if key["kty"] == "EC" and key.get("crv") != "P-384":
            continue
        kid = key.get("kid")
        if not isinstance(kid, str) or not kid or len(kid) > 500:
            raise ClientError(f"Key {number} has no kid. The client's assertions name their key by it.")
        if any(kid == other["kid"] for other in kept):
            raise ClientError(f"Two keys have the kid {kid!r}.")
        made = _public(key)
        if made is None:
            raise ClientError(f"Key {number} cannot be read: a public RSA key of 2,048 bits or more, or P-384.")
        kept.append({name: key[name] for name in _MEMBERS if name in key})
    if not kept:
        raise ClientError("There is no key for RS384 (RSA) or ES384 (P-384) among them.")
    return {"keys": kept}


def _public(key: Mapping[str, Any]) -> Any:
    try:
        made = jwt.PyJWK(dict(key), algorithm=_KINDS[str(key["kty"])]).key
    except (InvalidKeyError, PyJWKError, ValueError, TypeError, KeyError):
        return None
    return made if key["kty"] != "RSA" or made.key_size >= 2048 else None


def key_of(jwks: Mapping[str, Any], kid: str, algorithm: str) -> Any:
    """The public key with this ``kid`` for an algorithm; None where there is none."""
    for key in jwks.get("keys", ()):
        if key.get("kid") == kid and _KINDS.get(str(key.get("kty"))) == algorithm:
            return _public(key)
    return None


def check_keys_address(address: str) -> None:
    """Raise ClientError unless keys may be fetched from an address.

    Any on this machine; https on a host that ``fhir_jwks_hosts`` in ``site.toml`` names. So nobody can make this
    server ask addresses inside the house for them.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment or len(address) > 500:
        raise ClientError("The address of the keys looks like https://client.example.org/jwks.json.")
    if _is_loopback(host):
        return
    allowed = configuration().extra.get("fhir_jwks_hosts", ())
    if parts.scheme != "https" or host not in allowed:
        raise ClientError(
            f"Keys are not fetched from {host}. Name the host in fhir_jwks_hosts in {configuration().site_file} "
            "and use https, or give the keys as a file."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_lock = threading.Lock()
_fetched: dict[str, tuple[float, dict[str, Any]]] = {}


def fetched_keys(address: str, kid: str) -> dict[str, Any]:
    """The keys at an address: kept ten minutes, and fetched again before for a ``kid`` not among them, so that a
    client can change its keys at any time. Raises ClientError where they cannot be had."""
    now = time.monotonic()
    with _lock:
        at, kept = _fetched.get(address, (float("-inf"), {}))
    known = any(key.get("kid") == kid for key in kept.get("keys", ()))
    if now - at < (_KEEP if known else _AGAIN):
        return kept
    check_keys_address(address)
    found = check_keys(_fetch(address))
    with _lock:
        _fetched[address] = (now, found)
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _fetch(address: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    asked = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310
    try:
        with opener.open(asked, timeout=_TIMEOUT) as response:
            body = response.read(_LARGEST + 1)
    except (OSError, ValueError):
        raise ClientError("The client's keys cannot be fetched from its address just now.") from None
    if len(body) > _LARGEST:
        raise ClientError(f"The client's keys are larger than {_LARGEST:,} bytes.")
    try:
        return json.loads(body)
    except ValueError:
        raise ClientError("What lies at the address of the client's keys is no JSON.") from None
