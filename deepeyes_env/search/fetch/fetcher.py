"""Fetches a page or a picture from an address that a stranger wrote."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore

from deepeyes_env.images import MAX_PIXELS, EncodedImage
from deepeyes_env.search.fetch.error import FetchError, FetchFault
from deepeyes_env.search.fetch.guard import PORTS, Guard, Target
from deepeyes_env.search.fetch.pinned import Allowance, PinnedBackend
from deepeyes_env.search.fetch.thumbnail import thumbnail
from deepeyes_env.search.fetch.unpack import ACCEPTED_ENCODING, unpack
from deepeyes_env.search.patience import Deadline

HEADER_BYTES = 128 << 10
"""Room for headers beside the body; h11 refuses more than 100 KiB of them."""

PAGE_TYPES = ("text/html", "text/plain", "application/xhtml+xml")
"""Content types of a page."""

USER_AGENT = "deepeyes-gym"
"""Whoever is fetched can see by whom."""

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one fetch may take (`search-and-benchmarks` A.4 for bytes and redirects).

    Attributes:
        seconds: Wall time, redirects included.
        page_bytes: Bytes of a page, packed as well as unpacked.
        image_bytes: Bytes of a picture, packed as well as unpacked.
        image_pixels: Area above which a picture is refused before its pixels are decoded; the largest that
            the model sees.
        redirects: How many are followed.
    """

    seconds: float = 10.0
    page_bytes: int = 2_000_000
    image_bytes: int = 5_000_000
    image_pixels: int = MAX_PIXELS
    redirects: int = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched.

    Attributes:
        url: Where it was, after redirects.
        content_type: The `Content-Type` header.
        body: The content, unpacked.
    """

    url: str
    content_type: str
    body: bytes


class Fetcher:
    """A fetcher behind a `Guard`. Safe to use from many threads.

    It knows no cookies, proxies or passwords, neither from an address nor from the environment.
    """

    def __init__(
        self,
        limits: FetchLimits = FetchLimits(),
        guard: Guard | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            limits: What one fetch may take.
            guard: What may be fetched; None means the open internet at ports 80 and 443.
            tls: How to verify servers; None means as certifi says.
        """
        self.limits = limits
        self._guard = guard or Guard()
        self._given_tls = tls
        self._tls = tls or httpcore.default_ssl_context()

    def __reduce__(self) -> tuple[type[Fetcher], tuple[FetchLimits, Guard, ssl.SSLContext | None]]:
        return Fetcher, (self.limits, self._guard, self._given_tls)

    def fetch_page(self, url: str) -> Fetched:
        """Fetch HTML or plain text.

        Raises:
            FetchError: It was not fetched, for any reason.
        """
        return self._fetch(url, PAGE_TYPES, self.limits.page_bytes)

    def fetch_image(self, url: str) -> EncodedImage:
        """Fetch a picture, decode it, and encode it anew as a small one (`thumbnail`).

        Raises:
            FetchError: It was not fetched, for any reason, or cannot be shown.
        """
        fetched = self._fetch(url, ("image/",), self.limits.image_bytes)
        return thumbnail(fetched.body, self.limits.image_pixels)

    def _fetch(self, url: str, types: tuple[str, ...], limit: int) -> Fetched:
        deadline = Deadline(self.limits.seconds)
        try:
            for _ in range(self.limits.redirects + 1):
                reply = self._exchange(self._guard.check_url(url), types, limit, deadline)
                if not isinstance(reply, _Elsewhere):
                    return Fetched(url, *reply)
                url = _joined(url, reply.location)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise FetchError(FetchFault.TIMEOUT, f"not done in {self.limits.seconds:g} seconds") from error
        except httpcore.NetworkError as error:
            raise FetchError(FetchFault.UNREACHABLE, f"the connection failed ({error})") from error
        except httpcore.ProtocolError as error:
            raise FetchError(FetchFault.BROKEN, f"the reply is no proper HTTP ({error})") from error
        raise FetchError(FetchFault.REFUSED, f"more than {self.limits.redirects} redirects")

    def _exchange(
        self, target: Target, types: tuple[str, ...], limit: int, deadline: Deadline
    ) -> tuple[str, bytes] | _Elsewhere:
        addresses = self._guard.locate(target, deadline)
        backend = PinnedBackend(addresses, deadline, Allowance(limit + HEADER_BYTES))
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
            pool.stream("GET", _httpcore_url(target), headers=_headers(target, types)) as response,
        ):
            headers = _readable(response.headers)
            if response.status in _REDIRECTS:
                return _Elsewhere(headers.get("location", ""))
            if response.status != 200:
                raise FetchError(FetchFault.STATUS, f"the server answered with status {response.status}")
            content_type = headers.get("content-type", "")
            if not content_type.lower().startswith(types):
                raise FetchError(
                    FetchFault.WRONG_TYPE, f"its type is {content_type[:80]!r}, none of {', '.join(types)}"
                )
            return content_type, unpack(response.iter_stream(), headers.get("content-encoding", ""), limit)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    location: str


def _joined(url: str, location: str) -> str:
    try:
        joined = urljoin(url, location)
    except ValueError as error:
        raise FetchError(FetchFault.REFUSED, f"the redirect cannot be read ({error})") from error
    if not location:
        raise FetchError(FetchFault.BROKEN, "a redirect that leads nowhere")
    return joined


def _readable(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; of one that is there twice the last counts."""
    return {name.lower().decode("latin-1"): value.decode("latin-1").strip() for name, value in headers}


def _httpcore_url(target: Target) -> httpcore.URL:
    return httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )


def _headers(target: Target, types: tuple[str, ...]) -> list[tuple[str, str]]:
    return [
        ("Host", _host(target)),
        ("Accept", ", ".join(type if not type.endswith("/") else f"{type}*" for type in types)),
        ("Accept-Encoding", ACCEPTED_ENCODING),
        ("User-Agent", USER_AGENT),
    ]


def _host(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == PORTS[target.scheme] else f"{host}:{target.port}"
