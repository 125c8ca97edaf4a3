"""What a Qwen2.5-VL tokenizer knows by name: control tokens, banned ids, text to ids and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

IM_START, IM_END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE_PAD, VIDEO_PAD, VISION_PAD = "<|image_pad|>", "<|video_pad|>", "<|vision_pad|>"

BANNED_TOKENS = (PAD, IM_START, VISION_START, VISION_END, VISION_PAD, IMAGE_PAD, VIDEO_PAD)
"""Tokens that a policy must never sample: the reference's bad words (reference 1.5) and all that stands for
pixels, because a sampled placeholder makes placeholders and features disagree (stack notes section 6)."""

FIXED_CHARS, FIXED_TEXTS = 16, 256
"""The first so many texts of at most so many characters are encoded once: the same ones stand around every
message, and a call into the tokenizer costs more than all else done to it."""


class VocabularyError(ValueError):
    """The tokenizer is not a Qwen2.5-VL one."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A Qwen2.5-VL tokenizer by its names; no id is ever written down in code.

    Attributes:
        tokenizer: The Hugging Face tokenizer.
    """

    tokenizer: Any

    def __post_init__(self) -> None:
        known = self.tokenizer.get_vocab()
        missing = [name for name in (IM_END, *BANNED_TOKENS) if name not in known]
        if missing:
            raise VocabularyError(
                f"the tokenizer has no {', '.join(missing)}: it is not a Qwen2.5-VL tokenizer; load the one "
                "that belongs to the model"
            )

    def id(self, token: str) -> int:
        """The id of one token by its name, e.g. `<|im_end|>`."""
        return int(self.tokenizer.convert_tokens_to_ids(token))

    @cached_property
    def image_pad(self) -> int:
        """Id of the placeholder that stands for one visual token."""
        return self.id(IMAGE_PAD)

    @cached_property
    def im_end(self) -> int:
        """Id of the end of a turn."""
        return self.id(IM_END)

    @cached_property
    def pad(self) -> int:
        """Id that fills a batch."""
        return self.id(PAD)

    @cached_property
    def size(self) -> int:
        """Number of ids that decode to something; a model's embedding may be wider (rounded up)."""
        return len(self.tokenizer)

    @cached_property
    def banned_ids(self) -> frozenset[int]:
        """Ids of `BANNED_TOKENS` and of every other control token but the end of a turn.

        Qwen2.5-VL's tokenizer has more of them (`<|box_start|>`, `<|quad_start|>`, ...), which stand for
        nothing in an episode. `<tool_call>` is one token there and no control token. Ids from `size` on are
        banned too, but not listed.
        """
        added = self.tokenizer.added_tokens_decoder.items()
        control = {int(i) for i, token in added if token.special} - {self.im_end}
        return frozenset(control | {self.id(token) for token in BANNED_TOKENS})

    def encode(self, text: str) -> list[int]:
        """Plain text to ids; the name of a control token in it is encoded as letters, not as that token."""
        known = self._fixed.get(text)
        if known is not None:
            return list(known)
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        if len(text) <= FIXED_CHARS and len(self._fixed) < FIXED_TEXTS:
            self._fixed[text] = tuple(ids)
        return ids

    @cached_property
    def _fixed(self) -> dict[str, tuple[int, ...]]:
        return {}

    def decode(self, token_ids: Iterable[int]) -> str:
        """Ids to text, bytes that are not UTF-8 replaced by U+FFFD."""
        return b"".join(self.token_bytes[i] for i in token_ids).decode("utf-8", errors="replace")

    @cached_property
    def token_bytes(self) -> Sequence[bytes]:
        """The bytes that each id stands for; a token may end inside a character."""
        added = {i: str(token) for i, token in self.tokenizer.added_tokens_decoder.items()}
        names = self.tokenizer.convert_ids_to_tokens(list(range(self.size)))
        return [
            added[i].encode() if i in added else bytes(_BYTE_OF_LETTER[letter] for letter in name)
            for i, name in enumerate(names)
        ]

    def turn_text(self, token_ids: Sequence[int], stop: Iterable[str]) -> str:
        """What the policy said: decoded, without the end-of-turn token, cut after the first stop string.

        A token may reach beyond the stop string that it completes (`>` and a line break can be one token);
        the environment does not see the rest.
        """
        end = len(token_ids) - 1 if len(token_ids) and token_ids[-1] == self.im_end else len(token_ids)
        text = self.decode(token_ids[:end])
        ends = [text.find(s) + len(s) for s in stop if s in text]
        return text[: min(ends)] if ends else text

    def name(self, token_id: int) -> str:
        """The token's name, for messages."""
        return repr(self.tokenizer.convert_ids_to_tokens(int(token_id)))


def _byte_letters() -> dict[str, int]:
    """The letters in which byte-level BPE writes bytes (GPT-2's table, which Qwen's tokenizer keeps)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTE_OF_LETTER = _byte_letters()
