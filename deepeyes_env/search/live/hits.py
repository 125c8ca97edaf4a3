"""Hits from a service's JSON: strangers' texts in any shape become short texts of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from deepeyes_env.exchange import printable
from deepeyes_env.search.base import Hit, SearchErrorKind
from deepeyes_env.search.caps import SNIPPET_CHARS, TITLE_CHARS, URL_CHARS
from deepeyes_env.search.live.failure import SearchFailure

DATE_CHARS = 40
"""Characters of a date: the longest form of RFC 9110 has 33."""


def hits_of(
    items: Any,
    k: int,
    *,
    title: str = "title",
    url: str = "link",
    snippet: str = "snippet",
    date: str = "date",
) -> tuple[Hit, ...]:
    """The first `k` usable hits of a list.

    Args:
        items: What should be a list of objects.
        k: Most hits wanted.
        title: The object's field for the title; likewise the others.
        url: The address; an object without one of http or https is left out.
        snippet: The passage.
        date: The publication date.

    Raises:
        SearchFailure: It is no list, or nothing in it is usable.
    """
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, "the reply's hits are no list")
    found = [
        Hit(
            0,
            text_of(item.get(title), TITLE_CHARS),
            address,
            text_of(item.get(snippet), SNIPPET_CHARS),
            text_of(item.get(date), DATE_CHARS) or None,
        )
        for item in items
        if isinstance(item, Mapping) and (address := web_address(item.get(url)))
    ]
    if items and not found:
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, "no hit of the reply has an address")
    return ranked(_without_repeats(found), k)


def ranked(hits: Iterable[Hit], k: int) -> tuple[Hit, ...]:
    """The first `k` hits, numbered from 1."""
    return tuple(replace(hit, rank=rank) for rank, hit in zip(range(1, k + 1), hits, strict=False))


def text_of(value: Any, limit: int) -> str:
    """A field as text on one line: null is empty, numbers are written out, anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return printable(" ".join(str(value)[: 4 * limit].split()))[:limit]


def web_address(value: Any) -> str:
    """A field as an address of http or https; empty if it is none."""
    if not isinstance(value, str) or len(value) > URL_CHARS:
        return ""
    address = printable("".join(value.split()))
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return address if parts.scheme in ("http", "https") and parts.netloc else ""


def _without_repeats(hits: Iterable[Hit]) -> Iterable[Hit]:
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.url, hit)
    return first.values()
