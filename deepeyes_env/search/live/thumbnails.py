"""Puts pictures to image hits, in threads; one that cannot be had is missing, and the response says so."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import Hit
from deepeyes_env.search.fetch import Fetcher, FetchError, FetchFault

THREADS = 10
"""Pictures that are fetched at once: as many as a turn may show (`EnvConfig.max_images_per_turn`)."""


def seconds_for(count: int, fetcher: Fetcher) -> float:
    """Wall time after which `with_thumbnails` is done for certain."""
    return math.ceil(count / THREADS) * fetcher.limits.seconds + 1.0


def with_thumbnails(
    hits: Sequence[Hit], pictures: Mapping[str, str], fetcher: Fetcher
) -> tuple[tuple[Hit, ...], str]:
    """Fetch the picture of each hit.

    Args:
        hits: The hits.
        pictures: The address of a hit's picture by the hit's own address.
        fetcher: Fetches them.

    Returns:
        The hits in the same order, and what was missing, for people; empty if nothing was.
    """

    def fetch(hit: Hit) -> EncodedImage | FetchFault:
        try:
            return fetcher.fetch_image(pictures.get(hit.url, ""))
        except FetchError as error:
            return error.fault

    with ThreadPoolExecutor(THREADS) as pool:
        fetched = list(pool.map(fetch, hits))
    pictured = tuple(
        replace(hit, thumbnail=picture if isinstance(picture, EncodedImage) else None)
        for hit, picture in zip(hits, fetched, strict=True)
    )
    missing = Counter(picture.value for picture in fetched if isinstance(picture, FetchFault))
    if not missing:
        return pictured, ""
    reasons = ", ".join(f"{count} {fault}" for fault, count in sorted(missing.items()))
    return pictured, f"{missing.total()} of {len(hits)} thumbnails are missing: {reasons}"
