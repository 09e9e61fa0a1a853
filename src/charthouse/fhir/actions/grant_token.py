"""Give a backend service a short-lived token for its signed assertion, as SMART says; take tokens back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from django.db import connection, transaction

from charthouse.exchange.fhir.api import is_resource_type
from charthouse.fhir.access.api import Client, context_of, digest_of, new_secret
from charthouse.fhir.access.keys import ALGORITHMS, fetched_keys, key_of
from charthouse.fhir.domain.errors import ClientError
from charthouse.fhir.domain.oauth import CLIENT_CREDENTIALS, JWT_BEARER, OAuthError
from charthouse.fhir.domain.scopes import ScopeError, Scopes, kept_scopes, read_scopes
from charthouse.fhir.models import AccessToken, ApiClient, TokenFailure, UsedAssertion
from charthouse.fhir.narrowing import check_asked
from charthouse.foundation.access.api import AccessContext
from charthouse.foundation.clock import wall
from charthouse.foundation.ledger.api import Outcome, Subject, append
from charthouse.foundation.rulepacks.api import parameter

_LONGEST_ASSERTION = 16_000
_LONGEST_JTI = 500


@dataclass(frozen=True, slots=True)
class Granted:
    """A token just made: the only time its secret is known."""

    secret: str
    scopes: str
    seconds: int


def grant_token(form: Mapping[str, str], token_address: str, remote: str) -> Granted:
    """The token for a request's form (RFC 6749, 4.4, with RFC 7523 for who asks). Raises OAuthError.

    Grants are in the ledger, and so are refusals, with the name of the error and never the assertion.
    """
    _refuse_repeated(remote)
    client: ApiClient | None = None
    try:
        _check_form(form)
        client, claims = _proved(form["client_assertion"], token_address)
        scopes = _scopes(form.get("scope", ""), kept_scopes(client.scopes))
        return _grant(client, claims, scopes, remote)
    except OAuthError as error:
        _note_refusal(error, client, remote)
        raise


def _check_form(form: Mapping[str, str]) -> None:
    if not form.get("grant_type"):
        raise OAuthError("invalid_request", "grant_type is wanting; it must be client_credentials.")
    if form["grant_type"] != CLIENT_CREDENTIALS:
        raise OAuthError("unsupported_grant_type", "Only client_credentials is offered here.")
    if form.get("client_assertion_type") != JWT_BEARER:
        raise OAuthError("invalid_request", f"client_assertion_type must be {JWT_BEARER}.")
    if not 0 < len(form.get("client_assertion", "")) <= _LONGEST_ASSERTION:
        raise OAuthError("invalid_request", "client_assertion is wanting: a JWT signed by the client.")
    if not form.get("scope", "").strip():
        raise OAuthError("invalid_scope", "scope is wanting, e.g. system/*.read.")


def _proved(assertion: str, token_address: str) -> tuple[ApiClient, dict[str, Any]]:
    """The client that signed the assertion, and its claims. Raises OAuthError invalid_client."""
    try:
        head = jwt.get_unverified_header(assertion)
        unproved = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _stranger("The assertion is no JWT.") from None
    algorithm, kid, issuer = head.get("alg"), head.get("kid"), unproved.get("iss")
    if algorithm not in ALGORITHMS:
        raise _stranger(f"The assertion must be signed with {' or '.join(ALGORITHMS)}.")
    if not isinstance(kid, str) or not isinstance(issuer, str) or unproved.get("sub") != issuer:
        raise _stranger("The assertion needs kid in its header, and iss and sub, both the client id.")
    client = ApiClient.objects.filter(client_id=issuer, revoked_at=None).first() if _is_id(issuer) else None
    # One sentence for an unknown client, a key that is not its own and a wrong signature: nobody learns which.
    wrong = _stranger("The client is not known here, or the assertion is not signed by a key of it.")
    if client is None or (head.get("jku") is not None and head["jku"] != client.jwks_url):
        raise wrong
    key = key_of(_keys(client, kid), kid, algorithm)
    if key is None:
        raise wrong
    allowance = int(parameter("fhir.client-assertion", "allowance"))
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion,
            key,
            algorithms=[algorithm],
            audience=token_address,
            leeway=allowance,
            options={"require": ["iss", "sub", "aud", "exp", "jti"], "strict_aud": False},
        )
    except jwt.InvalidSignatureError:
        raise wrong from None
    except jwt.ExpiredSignatureError:
        raise _stranger("The assertion has expired.") from None
    except jwt.InvalidAudienceError:
        raise _stranger(f"The assertion's aud must be {token_address}.") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise _stranger("The assertion needs iss, sub, aud, exp and jti as RFC 7523 says.") from None
    _check_times(claims, allowance)
    return client, claims


def _is_id(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= 100


def _keys(client: ApiClient, kid: str) -> Mapping[str, Any]:
    if client.jwks_url:
        try:
            return fetched_keys(client.jwks_url, kid)
        except ClientError as error:
            raise _stranger(str(error)) from None
    return client.jwks or {}


def _check_times(claims: Mapping[str, Any], allowance: int) -> None:
    longest = int(parameter("fhir.client-assertion", "seconds"))
    if float(claims["exp"]) > wall().timestamp() + longest + allowance:
        raise _stranger(f"The assertion's exp must be at most {longest} seconds ahead.")
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        raise _stranger("The assertion's jti must be a text of its own.")


def _scopes(asked: str, allowed: Scopes) -> Scopes:
    try:
        granted = read_scopes(asked, is_resource_type, check_asked(allowed)).both(allowed)
    except ScopeError as error:
        raise OAuthError("invalid_scope", str(error)) from None
    if not granted.granted:
        raise OAuthError("invalid_scope", f"None of these scopes may be granted. The client may have: {allowed}.")
    return granted


def _grant(client: ApiClient, claims: Mapping[str, Any], scopes: Scopes, remote: str) -> Granted:
    now, secret = wall(), new_secret()
    seconds = int(parameter("fhir.access-token", "seconds"))
    with transaction.atomic():
        _use_once(client, claims)
        AccessToken.objects.create(
            digest=digest_of(secret),
            client=client,
            scopes=str(scopes),
            issued_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )
        TokenFailure.objects.filter(remote=remote).delete()
        append(
            _context(client, remote),
            "fhir.token-granted",
            subjects=[Subject("client", str(client.pk))],
            detail={"scopes": str(scopes)},
        )
    return Granted(secret, str(scopes), seconds)


def _use_once(client: ApiClient, claims: Mapping[str, Any]) -> None:
    """Note an assertion as used; of two at once one waits for the other and is refused."""
    ends = datetime.fromtimestamp(float(claims["exp"]), UTC) + timedelta(
        seconds=int(parameter("fhir.client-assertion", "allowance"))
    )
    digest = hashlib.sha256(f"{client.pk}:{claims['jti']}".encode("utf-8", "surrogatepass")).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fhir_used_assertion (digest, expires_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [digest, ends],
        )
        if not cursor.rowcount:
            raise _stranger(
                "This assertion was used before. Sign a new one, with a jti of its own, for each token."
            )


def _refuse_repeated(remote: str) -> None:
    wait = int(parameter("fhir.token-failures", "seconds"))
    found = TokenFailure.objects.filter(remote=remote).first()
    if found is None or found.failures < int(parameter("fhir.token-failures", "failures")):
        return
    left = wait - (wall() - found.last_at).total_seconds()
    if left > 0:
        raise OAuthError(
            "invalid_request",
            f"Too many requests from this address failed. Wait {wait} seconds.",
            status=429,
            retry_after=max(1, int(left)),
        )


def _note_refusal(error: OAuthError, client: ApiClient | None, remote: str) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            # A row of failures is forgotten once the time to wait has passed.
            cursor.execute(
                "INSERT INTO fhir_token_failure AS f (remote, failures, last_at) VALUES (%s, 1, %s) "
                "ON CONFLICT (remote) DO UPDATE SET last_at = excluded.last_at, failures = CASE WHEN "
                "f.last_at < excluded.last_at - make_interval(secs => %s) THEN 1 ELSE f.failures + 1 END",
                [remote, wall(), int(parameter("fhir.token-failures", "seconds"))],
            )
        append(
            _context(client, remote),
            "fhir.token-refused",
            outcome=Outcome.REFUSED,
            subjects=[Subject("client", str(client.pk))] if client else (),
            detail={"error": error.error},
        )


def _context(client: ApiClient | None, remote: str) -> AccessContext:
    if client is None:
        return AccessContext("anonymous", "", frozenset(), remote=remote)
    return context_of(client.pk, client.name, client.role, client.purpose, remote=remote)


def _stranger(why: str) -> OAuthError:
    return OAuthError("invalid_client", why)


@dataclass(frozen=True, slots=True)
class TokenState:
    """What RFC 7662 tells of a token in force."""

    client_id: str
    scopes: str
    issued_at: datetime
    expires_at: datetime | None


def token_state(client: Client, secret: str) -> TokenState | None:
    """What is known of a token in force of the client itself; None for every other."""
    found = (
        AccessToken.objects.filter(digest=digest_of(secret), client=client.row, revoked_at=None)
        .exclude(expires_at__lte=wall())
        .first()
    )
    return TokenState(client.id, found.scopes, found.issued_at, found.expires_at) if found else None


def revoke_token(client: Client, secret: str) -> None:
    """Take back a token of the client itself; one that is unknown, another's or ended is left, without a word."""
    with transaction.atomic():
        if AccessToken.objects.filter(digest=digest_of(secret), client=client.row, revoked_at=None).update(
            revoked_at=wall()
        ):
            append(client.ctx, "fhir.token-revoked", subjects=[Subject("client", str(client.row))])


def sweep_tokens() -> int:
    """Delete assertions, failures and granted tokens that have ended; tokens stay a day, for whoever looks."""
    now = wall()
    gone = UsedAssertion.objects.filter(expires_at__lt=now).delete()[0]
    gone += TokenFailure.objects.filter(last_at__lt=now - timedelta(days=1)).delete()[0]
    gone += (
        AccessToken.objects.filter(expires_at__lt=now - timedelta(days=1))
        .exclude(client__jwks=None, client__jwks_url="")
        .delete()[0]
    )
    return gone
