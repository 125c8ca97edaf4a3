"""Images by reference: a node puts each into Ray's object store once, whoever shows it fetches it once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ray

from deepeyes_env.adapters.ray.kept import Kept
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.stripes import Stripes

SHELF_BYTES = 64 << 20
"""Encoded images that an actor holds in its node's object store (by default 30 % of the node's memory): a few
hundred, for the episodes of a group to find again. Those that are on their way to a driver stay longer."""

GALLERY_BYTES = 256 << 20
"""Encoded images that a driver keeps beyond their use, as the client of an environment server does."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in the object store.

    Attributes:
        sha256: Its name.
        width: In pixels.
        height: In pixels.
        ref: Where its bytes are.
    """

    sha256: str
    width: int
    height: int
    ref: ray.ObjectRef[bytes]


@dataclass(frozen=True, slots=True)
class Referred:
    """An observation on its way."""

    text: str
    images: tuple[Reference, ...]


class Shelf:
    """On a node: images that it has put into the store. Safe to use from many threads."""

    def __init__(self) -> None:
        self._kept: Kept[Reference] = Kept(SHELF_BYTES)
        self._lock = threading.Lock()

    def references(self, images: Iterable[EncodedImage]) -> tuple[Reference, ...]:
        """Where the images are; those that are not in the store are put there."""
        return tuple(self._reference(image) for image in images)

    def observation(self, observation: Observation) -> Referred:
        """The observation with references."""
        return Referred(observation.text, self.references(observation.images))

    def _reference(self, image: EncodedImage) -> Reference:
        name = image.sha256  # encodes it the first time: not under the lock
        with self._lock:
            known = self._kept.get(name)
            if known is None:
                known = Reference(name, image.width, image.height, ray.put(image.data))
                self._kept.put(name, known, len(image.data))
            return known


class Gallery:
    """At the driver: images that were fetched. Safe to use from many threads.

    Attributes:
        fetched: Images fetched so far.
    """

    def __init__(self) -> None:
        self.fetched = 0
        self._kept: Kept[EncodedImage] = Kept(GALLERY_BYTES)
        self._lock = threading.Lock()
        self._fetching = Stripes()

    def images(self, references: Iterable[Reference]) -> tuple[EncodedImage, ...]:
        """The images, fetched unless they are kept.

        Raises:
            RayError: One is lost with its node.
        """
        return tuple(self._image(reference) for reference in references)

    def observation(self, referred: Referred) -> Observation:
        """The observation with its images; raises as `images` does."""
        return Observation(referred.text, self.images(referred.images))

    def _image(self, reference: Reference) -> EncodedImage:
        with self._fetching.of(
            hash(reference.sha256)
        ):  # the episodes of a group want the same at the same time
            with self._lock:
                known = self._kept.get(reference.sha256)
            if known is not None:
                return known
            data: Any = ray.get(reference.ref)
            image = EncodedImage(data, reference.width, reference.height, reference.sha256).shared()
            with self._lock:
                self.fetched += 1
                self._kept.put(image.sha256, image, len(data))
            return image
