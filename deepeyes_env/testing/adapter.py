"""`check_adapter`: the same scripted episodes through any adapter, with the same results."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from deepeyes_env.images import EncodedImage, ImageError, decode_rgb
from deepeyes_env.testing.driver import Driver, Picture, Played, Script, Tokens
from deepeyes_env.testing.reference import expected
from deepeyes_env.testing.scripts import adapter_scripts
from deepeyes_env.testing.tokens import token_faults

MOST_FAULTS = 12
"""Differences that one message lists."""

CONTEXT = 40
"""Characters shown on either side of the place where two texts part."""

Compare = Callable[[Script, Played, Played], Iterator[str]]
"""Tells where what was played differs from what was expected."""


def check_adapter(driver: Driver, *, leave_out: Collection[str] = ()) -> None:
    """Assert that episodes through an adapter are the environment's own.

    Every script of `adapter_scripts()` is played alone, played again, and played with all others at the same
    time. Alone and together it must give what the bare episode gives; again, what it gave before.

    Args:
        driver: Plays scripts through the adapter, in an environment with the settings of `adapter_config()`.
        leave_out: Names in `CHECKS` of what the adapter cannot show at all, such as `images` where pictures
            are shrunk to a fixed shape. What is left out must still repeat.

    Raises:
        AssertionError: They are not; the message names the scripts and what differs.
        ValueError: `leave_out` names no check.
    """
    if unknown := set(leave_out) - set(CHECKS):
        raise ValueError(f"leave_out = {sorted(unknown)}: expected some of {', '.join(CHECKS)}")
    checks = [check for name, check in CHECKS.items() if name not in leave_out]
    scripts, wanted = adapter_scripts(), expected()
    alone = [_play(driver, [script])[0] for script in scripts]
    _require("alone", scripts, alone, wanted, checks)
    again = [_play(driver, [script])[0] for script in scripts]
    _require("played again", scripts, again, alone, [_repeated])
    together = _play(driver, scripts)
    _require("at the same time as the others", scripts, together, wanted, checks)
    _require("at the same time as the others", scripts, together, alone, [_repeated])


def _play(driver: Driver, scripts: Sequence[Script]) -> Sequence[Played]:
    results = driver.play(scripts)
    assert len(results) == len(scripts), f"{len(results)} results for {len(scripts)} scripts"
    return results


def _require(
    when: str,
    scripts: Sequence[Script],
    got: Sequence[Played],
    wanted: Sequence[Played],
    checks: Sequence[Compare],
) -> None:
    faults = []
    for script, own, right in zip(scripts, got, wanted, strict=True):
        found = [fault for check in checks for fault in check(script, own, right)]
        other = _whose(own, scripts, wanted) if found and any(_seen(script, own, right)) else None
        hint = f" (it got what {other!r} should get: episodes are swapped)" if other else ""
        faults += [f"script {script.name!r}, {when}: {fault}{hint}" for fault in found]
    more = [f"... and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
    if faults:
        raise AssertionError("\n".join(faults[:MOST_FAULTS] + more))


def _whose(own: Played, scripts: Sequence[Script], wanted: Sequence[Played]) -> str | None:
    """The script whose observations these are."""
    for script, right in zip(scripts, wanted, strict=True):
        if not any(_seen(script, own, right)):
            return script.name
    return None


def _seen(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    yield from _texts(script, got, wanted)
    yield from _images(script, got, wanted)


# --- What is compared --------------------------------------------------------------------------------------


def _rewards(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    if not _same(math.fsum(got.rewards), math.fsum(wanted.rewards)):
        yield f"the reward is {math.fsum(got.rewards)!r}, expected {math.fsum(wanted.rewards)!r}"
    elif len(got.rewards) not in (1, len(wanted.rewards)):
        yield f"{len(got.rewards)} rewards for {len(wanted.rewards)} steps"
    elif any(got.rewards[:-1]):
        yield f"rewards {list(got.rewards)!r}: only the last step has one"


def _outcome(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    if got.outcome != wanted.outcome:
        yield f"the outcome is {str(got.outcome)!r}, expected {str(wanted.outcome)!r}"


def _texts(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    for number, (own, right) in enumerate(zip(got.observations, wanted.observations, strict=False)):
        if own.text != right.text:
            yield f"observation {number}: the text differs {_parting(own.text, right.text)}"
    if len(got.observations) != len(wanted.observations):
        yield f"{len(got.observations)} observations, expected {len(wanted.observations)}"


def _images(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    for number, (own, right) in enumerate(zip(got.observations, wanted.observations, strict=False)):
        if len(own.images) != len(right.images):
            yield f"observation {number}: {len(own.images)} images, expected {len(right.images)}"
        for place, (picture, original) in enumerate(zip(own.images, right.images, strict=False)):
            if fault := _picture_fault(picture, original):
                yield f"observation {number}, image {place}: {fault}"


def _tokens(script: Script, got: Played, wanted: Played) -> Iterator[str]:
    if got.tokens is not None:
        yield from token_faults(got.tokens, script.turns, wanted)


CHECKS: Mapping[str, Compare] = MappingProxyType(
    {"rewards": _rewards, "outcome": _outcome, "texts": _texts, "images": _images, "tokens": _tokens}
)
"""What is compared, by name."""


def _repeated(script: Script, got: Played, before: Played) -> Iterator[str]:
    """All that the adapter shows, whether or not it is what the environment shows."""
    for check in (_rewards, _outcome, _texts, _images):
        yield from (f"unlike before, {fault}" for fault in check(script, got, before))
    if _ids(got.tokens) != _ids(before.tokens):
        yield "unlike before, the tokens or their mask differ"


def _ids(tokens: Tokens | None) -> tuple[list[int], list[bool]] | None:
    return None if tokens is None else ([int(i) for i in tokens.ids], [bool(m) for m in tokens.mask])


def _same(one: float, other: float) -> bool:
    # To the bit as float64 or, where a framework stores rewards so (verl, SB3), as float32.
    return one == other or np.float32(one) == np.float32(other)


def _picture_fault(got: Picture, wanted: Picture) -> str | None:
    own, right = _data(got), _data(wanted)
    if own is not None and own == right:
        return None
    try:
        pixels = _pixels(got)
        original = _decoded(wanted) if isinstance(wanted, EncodedImage) else _pixels(wanted)
    except ImageError as error:
        return str(error)
    if pixels.shape != original.shape:
        return f"its pixels have the shape {pixels.shape}, expected {original.shape}"
    if differing := int((pixels != original).any(axis=-1).sum()):
        return f"{differing} of {original[..., 0].size} pixels differ: it was encoded anew or changed"
    if own is None or right is None:
        return None
    return f"the pixels are right, but it was encoded anew: sha256 {_name(own)}, expected {_name(right)}"


@functools.lru_cache(maxsize=64)
def _decoded(image: EncodedImage) -> npt.NDArray[np.uint8]:
    """The pixels of an expected image, which is compared again and again."""
    return np.asarray(image.decode())


def _data(picture: Picture) -> bytes | None:
    """The encoded bytes, or None of a decoded picture."""
    if isinstance(picture, EncodedImage):
        return picture.data
    return picture if isinstance(picture, bytes) else None


def _pixels(picture: Picture) -> npt.NDArray[np.uint8]:
    if isinstance(picture, np.ndarray):
        return picture
    data = _data(picture)
    image = picture if isinstance(picture, Image.Image) else decode_rgb(data or b"")
    return np.asarray(image)


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _parting(own: str, wanted: str) -> str:
    """Where two texts part, with what stands around it."""
    shorter = min(len(own), len(wanted))
    place = next((at for at in range(shorter) if own[at] != wanted[at]), shorter)
    around = slice(max(0, place - CONTEXT), place + CONTEXT)
    return f"at character {place}: {own[around]!r}, expected {wanted[around]!r}"
