"""What every search engine must do: a list of checks.

`check_search_engine(engine)` runs them all. It makes a dozen requests: mind a live engine's price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from deepeyes_env.search.base import (
    Operation,
    Region,
    SearchEngine,
    SearchErrorKind,
    SearchResponse,
    operations_lacking,
)

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
"""A picture that no engine has seen."""

HOSTILE_QUERIES = (
    "capital: france", '"unclosed', "AND", "it's (", "*", "<tool_call>", "a\x00b", "\ud800", "?" * 10_000,
    "日本 🏔",
)  # fmt: skip
"""What policies send and strict query parsers refuse (search note B.1)."""


def check_search_engine(
    engine: SearchEngine,
    *,
    query: str = "founder",
    image: Image.Image = NOISE,
    deterministic: bool = False,
) -> None:
    """Assert that an engine behaves as the environment relies on.

    Args:
        engine: The engine.
        query: A query for which it has hits.
        image: A picture to search with.
        deterministic: Whether the same request always has the same hits.

    Raises:
        AssertionError: It does not; the message names what.
    """
    assert isinstance(engine, SearchEngine), "search_text or search_image is missing"
    lacks = operations_lacking(engine)
    if Operation.TEXT in lacks:
        _check_lack(engine.search_text(query))
    else:
        _check_texts(engine, query, deterministic)
    if Operation.IMAGE in lacks:
        _check_lack(engine.search_image(image))
    else:
        _check_images(engine, image)


def _check_texts(engine: SearchEngine, query: str, deterministic: bool) -> None:
    found = engine.search_text(query, 3)
    assert found.hits, f"{query!r} has no hits ({found.error}: {found.detail}); name another query"
    for k in (1, 2, 7):
        _check(engine.search_text(query, k), k)
    for text in HOSTILE_QUERIES:
        _check(engine.search_text(text, 2), 2)
    _check_refusals(
        {
            "k = 0": lambda: engine.search_text(query, 0),
            "an empty query": lambda: engine.search_text("", 3),
            "a blank query": lambda: engine.search_text(" \n", 3),
        }
    )
    _check_threads(engine, query, deterministic)


def _check_images(engine: SearchEngine, image: Image.Image) -> None:
    for k in (1, 2, 7):
        _check(engine.search_image(image, k), k)
    _check(engine.search_image(image, 2, region=(5, 5, image.width - 5, image.height - 5)), 2)
    outside: Region = (0, 0, image.width + 1, image.height)
    _check_refusals(
        {
            "k = -1": lambda: engine.search_image(image, -1),
            "a region outside the picture": lambda: engine.search_image(image, 3, outside),
            "an empty region": lambda: engine.search_image(image, 3, (4, 4, 4, 9)),
        }
    )


def _check(response: SearchResponse, k: int) -> None:
    assert isinstance(response, SearchResponse), f"not a response: {response!r}"
    assert len(response.hits) <= k, f"{len(response.hits)} hits for k = {k}"
    assert [hit.rank for hit in response.hits] == list(range(1, len(response.hits) + 1)), (
        "ranks must be 1, 2, ..."
    )
    assert response.error is not SearchErrorKind.UNSUPPORTED, "`lacks` does not name what is unsupported"
    assert bool(response.hits) == (response.error is None), (
        f"hits and error {response.error} do not go together"
    )
    assert response.cost >= 0, "a negative cost"
    assert not (response.recorded and response.cost), "an answer without a request costs something"


def _check_lack(response: SearchResponse) -> None:
    assert response.error is SearchErrorKind.UNSUPPORTED, (
        f"what the engine says it lacks must be unsupported: {response.error}"
    )
    assert not response.hits, "what the engine lacks has hits"


def _check_refusals(requests: Mapping[str, Callable[[], SearchResponse]]) -> None:
    for name, request in requests.items():
        response = request()
        assert response.error is SearchErrorKind.BAD_REQUEST, (
            f"{name} must be a bad request: {response.error}"
        )
        assert not response.hits, f"{name} has hits"


def _check_threads(engine: SearchEngine, query: str, deterministic: bool) -> None:
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: engine.search_text(query, 3), range(16)))
    for response in responses:
        _check(response, 3)
    if deterministic:
        assert len({response.hits for response in responses}) == 1, "the same query has different hits"
