"""For whom a request is, and from whom: looked at before anything else looks at it."""

import ipaddress
import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from pneumonia.config import Settings

UNTRUSTED = "pneumonia.untrusted_host"
"""Key of the WSGI environment: the host that was asked for, where this server is not it."""

_PARTS = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]{1,253})(?::[0-9]{1,5})?", re.IGNORECASE)
_LONGEST_SHOWN = 80
log = logging.getLogger(__name__)


def parse_host(text: str) -> str | None:
    """A Host header's host: lower case, without port and brackets; None where it is not one."""
    match = _PARTS.fullmatch(text)
    if not match:
        return None
    host = match[1].lower().strip("[]")
    labels = host.split(".")
    if ":" not in host and not all(0 < len(label) <= 63 for label in labels):
        return None
    return host


class TrustedHosts:
    """WSGI middleware: what is for another host goes on under a harmless name, and marked.

    So the refusal is a page or JSON like any other, and no code meets a host that nobody checked.
    """

    def __init__(self, app: "WSGIApplication", hosts: Iterable[str]) -> None:
        self._app = app
        hosts = tuple(hosts)
        self._names = frozenset(host for host in hosts if not host.startswith("."))
        self._domains = tuple(host for host in hosts if host.startswith("."))

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        asked = environ.get("HTTP_HOST", "")
        host = parse_host(asked)
        if host is None or not (host in self._names or f".{host}".endswith(self._domains)):
            environ[UNTRUSTED] = asked[:_LONGEST_SHOWN]
            environ["HTTP_HOST"] = "localhost"
        return self._app(environ, start)


class TrustedProxies(ProxyFix):
    """Werkzeug's, for requests that come from a proxy's address; nobody else is believed."""

    def __init__(self, app: "WSGIApplication", settings: "Settings") -> None:
        hops = settings.proxies
        super().__init__(app, x_for=hops, x_proto=hops, x_host=hops, x_prefix=hops)
        self._networks = settings.proxy_networks
        self._has_warned = False

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR", "")
        if self._trusts(peer):
            return super().__call__(environ, start)
        if "HTTP_X_FORWARDED_FOR" in environ and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s sends X-Forwarded-For and is not believed. If it is your reverse proxy, put "
                "its address into PNEUMONIA_TRUSTED_PROXIES.",
                peer,
            )
        return self.app(environ, start)

    def _trusts(self, peer: str) -> bool:
        try:
            address: Any = ipaddress.ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)
