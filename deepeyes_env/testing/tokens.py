"""What holds for the tokens of any adapter that makes a trainer's input."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence

from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.testing.driver import Played, Tokens

Run = tuple[int, int]
"""Start and end of sampled tokens."""


def token_faults(tokens: Tokens, turns: Sequence[str], expected: Played) -> Iterator[str]:
    """What is wrong with an episode's tokens, in words.

    * Every sampled id stands in `ids`, in order and unchanged, and the mask is true exactly there.
    * The turns' ids say what the script says.
    * Before each turn stands what the policy had been shown: the text, and one placeholder per 28 x 28 pixels
      of its images. No placeholder counts as sampled.

    Args:
        tokens: What the adapter made.
        turns: The script's turns.
        expected: What the policy had to be shown; its images are encoded.
    """
    if len(tokens.mask) != len(tokens.ids):
        yield f"the mask has {len(tokens.mask)} entries for {len(tokens.ids)} tokens"
        return
    if len(tokens.sampled) != len(turns):
        yield f"{len(tokens.sampled)} turns were sampled, the script has {len(turns)}"
        return
    runs = list(_runs(tokens.mask))
    if len(runs) != len(turns):
        yield f"the mask has {len(runs)} runs of sampled tokens for {len(turns)} turns"
        return
    for number, (run, sampled, turn) in enumerate(zip(runs, tokens.sampled, turns, strict=True)):
        for fault in _turn_faults(tokens, run, list(sampled), turn):
            yield f"turn {number}: {fault}"
    starts = [0, *(end for _, end in runs)]
    for number, (start, (end, _), seen) in enumerate(zip(starts, runs, expected.observations, strict=False)):
        for fault in _gap_faults(tokens, list(tokens.ids[start:end]), seen.text, seen.images):
            yield f"observation {number}: {fault}"


def _runs(mask: Sequence[bool] | Sequence[int]) -> Iterator[Run]:
    place = 0
    for sampled, group in itertools.groupby(mask, bool):
        length = len(list(group))
        if sampled:
            yield place, place + length
        place += length


def _turn_faults(tokens: Tokens, run: Run, sampled: list[int], turn: str) -> Iterator[str]:
    start, end = run
    ids = list(tokens.ids)
    if ids[start:end] != sampled:
        if end - start == len(sampled):
            shift = next((s for s in (1, -1) if ids[max(start - s, 0) : end - s] == sampled), 0)
            if shift:
                place = f"{start - shift}:{end - shift}"
                yield f"the mask is off by one: true at {start}:{end}, sampled at {place}"
                return
        yield f"the tokens under the mask ({start}:{end}) are not the {len(sampled)} sampled ones" + _parting(
            ids[start:end], sampled
        )
    if tokens.image_token in sampled:
        yield "an image placeholder counts as sampled"
    said = _plain(turn.removeprefix("<think>"))
    if said not in _plain(tokens.decode(sampled)):
        yield f"the sampled tokens say {tokens.decode(sampled)!r}, the script {turn!r}"


def _gap_faults(tokens: Tokens, ids: list[int], text: str, images: Sequence[object]) -> Iterator[str]:
    wanted = sum(image.pixels for image in images if isinstance(image, EncodedImage)) // PATCH_FACTOR**2
    placeholders = ids.count(tokens.image_token)
    if placeholders != wanted:
        yield f"{placeholders} image placeholders stand for {wanted} features of {len(images)} images"
    shown = _plain(tokens.decode([token for token in ids if token != tokens.image_token]))
    place = 0
    for piece in text.split(IMAGE_MARKER):
        found = shown.find(_plain(piece), place)
        if found < 0:
            yield f"{_plain(piece)[:200]!r} is missing; the tokens say {shown[place:][:200]!r}"
            return
        place = found + len(_plain(piece))


def _plain(text: str) -> str:
    """Text as it survives a tokenizer that normalises (Qwen's does, to NFC) and templates that strip."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode()).strip()


def _parting(own: list[int], sampled: list[int]) -> str:
    place = next((at for at, (a, b) in enumerate(zip(own, sampled, strict=False)) if a != b), None)
    return "" if place is None else f": token {place} is {own[place]}, sampled was {sampled[place]}"
