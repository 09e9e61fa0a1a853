"""The client's true address and scheme behind the site's own reverse proxies."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.http import HttpRequest, HttpResponse

from charthouse.configuration import ConfigurationError, configuration

__all__ = ["TrustedProxies", "client_address"]

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """The nearest address that is no trusted proxy, read from the right of X-Forwarded-For.

    What stands left of it was written by the client and proves nothing.
    """
    chain = [part.strip() for part in forwarded.split(",") if part.strip()]
    address = peer
    while chain and _is_in(address, trusted):
        candidate = chain.pop()
        if not _is_address(candidate):
            break
        address = candidate
    return address


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


class TrustedProxies:
    """Sets REMOTE_ADDR and the scheme from the headers of proxies named by ``trusted_proxies`` in ``site.toml``.

    Without that setting no forwarded header is believed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        named = configuration().extra.get("trusted_proxies", [])
        try:
            self.trusted: tuple[Network, ...] = tuple(ip_network(str(network), strict=False) for network in named)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"trusted_proxies in {configuration().site_file}: {error}.") from None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer = str(request.META.get("REMOTE_ADDR", ""))
        if self.trusted and _is_in(peer, self.trusted):
            request.META["REMOTE_ADDR"] = client_address(
                peer, str(request.META.get("HTTP_X_FORWARDED_FOR", "")), self.trusted
            )
            if request.META.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
                request.environ["wsgi.url_scheme"] = request.META["HTTP_X_FORWARDED_PROTO"]  # type: ignore[attr-defined]
        return self.get_response(request)
