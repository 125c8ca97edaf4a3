"""A response as JSON, its thumbnails by hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import Hit, SearchErrorKind, SearchResponse


def encode(response: SearchResponse) -> tuple[str, dict[str, bytes]]:
    """Write a response.

    Args:
        response: Any response.

    Returns:
        JSON in ASCII, and the thumbnails' bytes by SHA-256.
    """
    pictures = [hit.thumbnail for hit in response.hits if hit.thumbnail is not None]
    content = asdict(replace(response, hits=()))
    content["hits"] = [
        asdict(replace(hit, thumbnail=None)) | {"thumbnail": hit.thumbnail and hit.thumbnail.sha256}
        for hit in response.hits
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return text, {picture.sha256: picture.data for picture in pictures}


def decode(text: str, thumbnail: Callable[[str], EncodedImage]) -> SearchResponse:
    """Read a response.

    Args:
        text: What `encode` wrote.
        thumbnail: Gives the picture of a SHA-256.

    Raises:
        ValueError: The text is nothing that `encode` writes.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        hits = tuple(
            Hit(**hit | {"thumbnail": hit["thumbnail"] and thumbnail(hit["thumbnail"])})
            for hit in content["hits"]
        )
        error = content["error"] and SearchErrorKind(content["error"])
        return SearchResponse(**content | {"hits": hits, "error": error})
    except (KeyError, TypeError, AttributeError) as error_:
        raise ValueError(f"no recorded response ({error_})") from error_
