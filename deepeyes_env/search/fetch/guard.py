"""Which addresses may be fetched: the guard against requests that a stranger sends into our network (SSRF).

Measures of `search-and-benchmarks` A.4. A name is resolved once; every address it has must be public, and the
connection goes to one of just these (`pinned.py`), so that a name which resolves to another address the next
time gains nothing.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, quote, urlsplit

from deepeyes_env.search.caps import URL_CHARS
from deepeyes_env.search.fetch.error import FetchError, FetchFault
from deepeyes_env.search.patience import Deadline, within

IPAddress = IPv4Address | IPv6Address

PORTS = {"http": 80, "https": 443}
"""Schemes that are fetched, and their ports; both ports are allowed for both (A.4)."""

_UNICAST = IPv6Network("2000::/3")
"""The only global unicast addresses that are given out (IANA)."""

_WITHIN_CLOUDS = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
"""IETF's protocol assignments (RFC 6890), most of which older Pythons take for public and where Oracle's
cloud has its metadata, 192.0.0.192; and the address at which Azure's machines reach their host."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address, which a translator connects to."""

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
"""A name, with the underscore that some have, or an address; the encoding of names lets spaces through."""

_PATH_SAFE = "/%:=&?~#+!$,;'@()*[]"
"""Characters of a path or query that stay as they are (RFC 3986's reserved ones, and % of what is quoted)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, in the parts that a request is made of.

    Attributes:
        scheme: `http` or `https`.
        host: Name or address in ASCII, without brackets.
        port: TCP port.
        path: Path and query, ASCII.
    """

    scheme: str
    host: str
    port: int
    path: str


def is_public(address: IPAddress) -> bool:
    """Whether an address is one of the open internet.

    One that holds an IPv4 address is what that one is; the tunnels 6to4 and Teredo, both given up, never are.
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _UNICAST or address.sixtofour is not None or address.teredo is not None:
            return False
    elif any(address in network for network in _WITHIN_CLOUDS):
        return False
    return address.is_global and not address.is_multicast


def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that the system knows for a name.

    Raises:
        OSError: It knows none.
    """
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


Resolver = Callable[[str, int], Sequence[str]]


class Guard:
    """Decides what may be fetched and where it is."""

    def __init__(
        self,
        allow: Callable[[IPAddress], bool] = is_public,
        ports: frozenset[int] | None = frozenset(PORTS.values()),
        resolve: Resolver = system_resolver,
    ) -> None:
        """Set the rules. They are no settings: only code can loosen them, as tests do.

        Args:
            allow: Whether an address may be connected to.
            ports: TCP ports that may be connected to; None means all.
            resolve: Gives the addresses of a name, or raises an `OSError`.
        """
        self._allow = allow
        self._ports = ports
        self._resolve = resolve

    def check_url(self, url: str) -> Target:
        """Take a URL apart.

        Raises:
            FetchError: `REFUSED`.
        """
        if len(url) > URL_CHARS:
            raise _refused(f"the address has {len(url)} characters, more than {URL_CHARS}")
        # Parsers disagree about these: what one takes for the host is the path for another.
        if any(char <= " " or char in "\\\x7f" for char in url):
            raise _refused("the address holds spaces, control characters or backslashes")
        try:
            parts = urlsplit(url)
            scheme, port, host = parts.scheme, parts.port, _ascii_host(parts)
        except ValueError as error:  # also UnicodeError
            raise _refused(f"the address cannot be read ({error})") from error
        if scheme not in PORTS:
            raise _refused(
                f"only http and https are fetched, not {scheme[:20] or 'an address without a scheme'!r}"
            )
        if "@" in parts.netloc:
            raise _refused("the address holds a user name or password")
        if port is None:
            port = PORTS[scheme]
        if self._ports is not None and port not in self._ports:
            raise _refused(f"port {port} is none of {', '.join(map(str, sorted(self._ports)))}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(scheme, host, port, quote(path, safe=_PATH_SAFE))

    def locate(self, target: Target, deadline: Deadline) -> list[IPAddress]:
        """Resolve a target's host.

        Returns:
            Its addresses, all of them allowed; at least one.

        Raises:
            FetchError: `REFUSED` if any is not allowed, `UNREACHABLE` if there is none.
            TimeoutError: The name system does not answer in time.
        """
        try:
            found = within(deadline.left(), lambda: self._resolve(target.host, target.port))
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise FetchError(FetchFault.UNREACHABLE, f"{target.host} does not resolve") from error
        addresses = [ip_address(text.partition("%")[0]) for text in dict.fromkeys(found)]
        for address in addresses:
            if not self._allow(address):
                raise _refused(f"{target.host} leads to {address}, which is no public address")
        if not addresses:
            raise FetchError(FetchFault.UNREACHABLE, f"{target.host} has no address")
        return addresses


def _ascii_host(parts: SplitResult) -> str:
    host = parts.hostname
    if not host:
        raise ValueError("it names no host")
    ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    if not _HOST.fullmatch(ascii_host):
        raise ValueError("its host is no name and no address")
    return ascii_host


def _refused(detail: str) -> FetchError:
    return FetchError(FetchFault.REFUSED, detail)
