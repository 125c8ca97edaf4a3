"""What can go wrong with somebody else's service, as the kinds of `SearchErrorKind`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from deepeyes_env.errors import Portable
from deepeyes_env.exchange import printable
from deepeyes_env.search.base import SearchErrorKind, SearchResponse
from deepeyes_env.search.patience import within

DETAIL_CHARS = 400
"""Characters of what failed that are kept: ours come first, then the service's own."""

QUERY_CHARS = 2_000
"""Characters of a query: it travels in an address, of which no more can be counted on (A.4)."""

_SHORTEST_SECRET = 6
"""Characters; a shorter value of such a variable is a placeholder, and common in words."""

_SPENT = re.compile(
    r"(not enough|insufficient|out of|no (more )?) ?(credits?|balance|funds|searches)"
    r"|(usage|plan|monthly|daily) (usage )?limit|exceeds? your plan|quota",
    re.IGNORECASE,
)
"""How services say that nothing is left: Serper with status 400, SerpAPI with 429, others with 402."""

_TOO_FAST = re.compile(r"per (second|minute|hour)|hourly|throughput", re.IGNORECASE)
"""A quota of these ends soon and is a limit of the rate."""


class SearchFailure(Portable):
    """A request that gave nothing; becomes a response at the engine's edge.

    Attributes:
        kind: Whose fault it is.
        detail: What failed, for people.
        retry_after: Seconds that the service asks to wait, or None.
    """

    def __init__(self, kind: SearchErrorKind, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after


class UnaskableError(SearchFailure):
    """A request that is not sent, because no service could answer it, whatever its settings."""

    def __init__(self, detail: str) -> None:
        super().__init__(SearchErrorKind.BAD_REQUEST, detail)


def answer(
    backend: str, seconds: float, ask: Callable[[], SearchResponse], secrets: Iterable[str] = ()
) -> SearchResponse:
    """Ask a service, for no longer than agreed.

    Args:
        backend: Name of the engine.
        seconds: Wall time.
        ask: Gives a response or raises a `SearchFailure`.
        secrets: What no detail may hold; services and libraries like to repeat a key that they refuse.

    Returns:
        What `ask` gives, or a response that says how it failed.
    """
    try:
        return within(seconds, ask)
    except SearchFailure as failure:
        return SearchResponse(
            error=failure.kind,
            detail=_without(secrets, failure.detail)[:DETAIL_CHARS],
            backend=backend,
            recorded=isinstance(failure, UnaskableError),
            retry_after=failure.retry_after,
        )
    except TimeoutError:
        return SearchResponse(
            error=SearchErrorKind.TIMEOUT, detail=f"no answer in {seconds:g} seconds", backend=backend
        )


def checked(query: str, k: int) -> str:
    """The query without what cannot be sent.

    Raises:
        UnaskableError: No service can answer it.
    """
    if k < 1:
        raise UnaskableError(f"k = {k} hits were asked for; at least 1")
    query = printable(" ".join(query.split()))
    if not query:
        raise UnaskableError("the query is empty")
    if len(query) > QUERY_CHARS:
        raise UnaskableError(f"the query has {len(query)} characters, more than {QUERY_CHARS}")
    return query


def refusal(
    status: int,
    headers: Mapping[str, str],
    message: str,
    key_variable: str,
    bad_request: SearchErrorKind = SearchErrorKind.BAD_REQUEST,
    *,
    proven: bool = False,
) -> SearchFailure:
    """What an HTTP status other than 200 means.

    Args:
        status: The status.
        headers: Of the reply, names in lower case.
        message: What the service says about it, in any state.
        key_variable: Environment variable with the key; empty if there is none.
        bad_request: Whose fault it is that the service does not understand the request.
        proven: Whether it has understood one with these settings before. Until then it may be the settings (a
            country that it does not know) that it refuses, which is no fault of the policy.
    """
    said = f"status {status}" + (f": {on_one_line(message)}" if message.strip() else "")
    if status == 402 or (status in (400, 403, 429) and _is_spent(message)):
        return SearchFailure(SearchErrorKind.BUDGET, f"the account is used up ({said})")
    if status == 429:
        return SearchFailure(
            SearchErrorKind.RATE_LIMITED, said, retry_after=seconds_to_wait(headers.get("retry-after"))
        )
    if status in (401, 403):
        mend = f"; set {key_variable} to a valid key" if key_variable else ""
        return SearchFailure(SearchErrorKind.UNAVAILABLE, f"the service refuses access{mend} ({said})")
    if status in (408, 504):
        return SearchFailure(SearchErrorKind.TIMEOUT, said)
    if status in (413, 414) or (status in (400, 422) and proven):
        return SearchFailure(bad_request, said)
    if status in (400, 422):
        detail = f"the service has understood no request with these settings yet: are they right? ({said})"
        return SearchFailure(SearchErrorKind.UNAVAILABLE, detail)
    return SearchFailure(
        SearchErrorKind.UNAVAILABLE, said, retry_after=seconds_to_wait(headers.get("retry-after"))
    )


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Read a `Retry-After` header: seconds, or a date (RFC 9110 section 10.2.3); None if it is neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
            # A date whose zone is said to be unknown is one of UTC (RFC 5322 section 3.3).
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def on_one_line(message: str) -> str:
    """A service's message on one line; `answer` cuts it, when no secret is in it that a cut could hide."""
    return printable(" ".join(message.split()))


def _without(secrets: Iterable[str], text: str) -> str:
    named_as_such = [
        value.strip() for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN", "_PASSWORD"))
    ]
    for secret in (*secrets, *named_as_such):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text


def _is_spent(message: str) -> bool:
    return bool(_SPENT.search(message)) and not _TOO_FAST.search(message)
