"""Pictures get a public address first: Lens-type services take nothing else."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable

from PIL import Image

from deepeyes_env.errors import ConfigError
from deepeyes_env.images import to_rgb
from deepeyes_env.search.base import Region, SearchErrorKind
from deepeyes_env.search.live.failure import SearchFailure, UnaskableError, on_one_line
from deepeyes_env.search.live.hits import web_address
from deepeyes_env.search.request import ImageRequest

Upload = Callable[[bytes], str]
"""Takes a JPEG file, puts it where the search service can read it, and returns its public address."""

QUERY_SIDE = 2_048
"""Longest side in pixels of a picture that is searched with: an assumption, services look at smaller ones."""

JPEG_QUALITY = 90
"""Without visible artefacts."""


def load_upload(name: str) -> Upload:
    """Import a hook by its name, `module:function`.

    Raises:
        ConfigError: There is no such function.
    """
    module, _, function = name.partition(":")
    try:
        hook = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(f"upload = {name!r} cannot be imported ({error}); write module:function") from error
    if not callable(hook):
        raise ConfigError(f"upload = {name!r} is no function")
    return hook


def public_address(upload: Upload, image: Image.Image, region: Region | None) -> str:
    """Upload a picture, or a part of it.

    Raises:
        UnaskableError: The region is not in the picture.
        SearchFailure: `UNAVAILABLE`: the hook fails, or gives no address.
    """
    data = _jpeg(image, region)
    try:
        address = upload(data)
    except Exception as error:  # the user's own code, which may raise anything
        raise SearchFailure(
            SearchErrorKind.UNAVAILABLE,
            f"the upload failed: {type(error).__name__}: {on_one_line(str(error))}",
        ) from error
    if not web_address(address):
        raise SearchFailure(
            SearchErrorKind.UNAVAILABLE,
            f"the upload returned no http address but {on_one_line(repr(address))}",
        )
    return address


def _jpeg(image: Image.Image, region: Region | None) -> bytes:
    if fault := ImageRequest(image, region=region).fault:
        raise UnaskableError(fault)
    if region is not None:
        image = image.crop(region)
    image = to_rgb(image).copy()
    image.info = {}  # a comment would be written into the file
    image.thumbnail((QUERY_SIDE, QUERY_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
