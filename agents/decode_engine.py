"""Samples many turns together, one token per step for every row; a turn enters as soon as a row is free.

Synchronous and single-threaded; `agents.transformers_policy` puts it behind `await`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from agents.kv_cache import KVCache
from agents.open_turn import OpenTurn
from agents.pixels import PixelCache
from agents.policy import GenerationRequest
from agents.positions import rope_positions
from agents.prefill import Prefill, Prompt, forward
from agents.prefix_cache import Prefix, PrefixCache, prefix_key
from agents.sampling import draw, policy_logprobs
from agents.vocabulary import Vocabulary
from agents.weight_watch import WeightWatch

ADMISSION_STEPS = 4
"""Decode steps that a prefill pass costs all live rows, whatever it reads: about what it takes with the tiny
model on a CPU (`deepeyes bench rollout`)."""


class DecodeEngine:
    """Turns wait, are admitted to a row, decoded and finished.

    Rows `0 .. n-1` are the live ones: the last rows move into the gaps that finished ones leave, so a step
    computes nothing but live rows and looks no further than the longest of them.

    Args:
        model: A `Qwen2_5_VLForConditionalGeneration`.
        vocabulary: Its tokenizer by its names.
        pixels: Prepares images.
        banned: bool `[V]`, ids that are never sampled.
        max_rows: Turns decoded together.
        cache_bytes: Bound of the keys and values kept between turns.
    """

    def __init__(
        self,
        model: Any,
        vocabulary: Vocabulary,
        pixels: PixelCache,
        banned: torch.Tensor,
        *,
        max_rows: int,
        cache_bytes: int,
    ) -> None:
        self._model = model
        self._banned = banned
        self._max_rows = max_rows
        self._prefill = Prefill(model, vocabulary, pixels)
        self._kept = PrefixCache(cache_bytes)
        self._waiting: deque[OpenTurn] = deque()
        self._rows: list[OpenTurn] = []
        # Per live row: the token to run next, how many stand before it, and its rotary position.
        self._tokens, self._lengths, self._positions = self._state = np.zeros((3, max_rows), dtype=np.int64)
        self._outdated: set[OpenTurn] = set()
        self._weights = WeightWatch(model)
        self._forget_next = False
        self._idle_row_steps = 0
        self._cache = self._empty_cache()

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is decoded."""
        return not self._rows and not self._waiting

    def submit(self, turn: OpenTurn) -> None:
        """Let a turn wait for a row."""
        self._waiting.append(turn)

    def advance(self) -> list[OpenTurn]:
        """Admit what there is room for and decode one token for every row.

        Returns:
            The turns that ended, those that were given up included.
        """
        with torch.inference_mode():
            ended = self._drop_given_up()
            if free := self._due():
                ended += self._admit([self._waiting.popleft() for _ in range(free)])
            if self._rows:
                ended += self._step()
            return ended

    def abandon(self) -> None:
        """Give up everything, as after an error."""
        self._rows.clear()
        self._waiting.clear()
        self.forget()

    def forget(self) -> None:
        """Drop all that was kept, and the memory of the rows if none is live."""
        self._forget_next = False
        self._kept.clear()
        self._outdated = set(self._rows)
        if not self._rows:
            self._cache = self._empty_cache()

    def forget_next(self) -> None:
        """`forget` before the next admission; may be called from any thread."""
        self._forget_next = True

    # --- Admission -----------------------------------------------------------------------------------------

    def _due(self) -> int:
        """How many turns to admit now.

        Everybody stands still while a prompt is read, so turns are admitted together: when the rows that
        they could have are idle for as many steps as the live ones will lose. Counted in steps and not in
        seconds, so that a repeated batch is admitted the same way.
        """
        free = min(self._max_rows - len(self._rows), len(self._waiting))
        self._idle_row_steps += free
        if not free or self._idle_row_steps < ADMISSION_STEPS * len(self._rows):
            return 0
        self._idle_row_steps = 0
        return free

    def _admit(self, turns: Sequence[OpenTurn]) -> list[OpenTurn]:
        if self._weights.changed() or self._forget_next:
            self.forget()
        groups = self._grouped(turns)
        first = len(self._rows)
        self._cache.reserve(first + len(turns), max(group.length for group in groups))
        hidden = self._fill_rows(first, groups)
        source = [*range(len(groups)), *(i for i, group in enumerate(groups) for _ in group.turns[1:])]
        self._rows += [group.turns[0] for group in groups]
        self._rows += [turn for group in groups for turn in group.turns[1:]]
        lengths = np.array([group.length for group in groups])
        positions = np.array([rope_positions(g.length, g.request.image_spans)[1] for g in groups])
        self._lengths[first : len(self._rows)] = lengths[source]
        self._positions[first : len(self._rows)] = positions[source]
        for row, (group, last) in enumerate(zip(groups, hidden, strict=True), start=first):
            if not group.request.known:
                self._keep(group.key, row, last)
        self._sample(first, self._model.lm_head(hidden)[source])
        return self._finish()

    def _grouped(self, turns: Sequence[OpenTurn]) -> list[_Group]:
        """Turns by equal prompt: the whole prompts, then the continuations, then what is at hand."""
        groups: dict[bytes, _Group] = {}
        for turn in turns:
            request = turn.request
            key = prefix_key(request.input_ids, request.image_spans, request.images)
            if key not in groups:
                groups[key] = _Group(key, self._kept.prompt(key) or self._past(turn))
            groups[key].turns.append(turn)
        return sorted(groups.values(), key=lambda group: group.order)

    def _past(self, turn: OpenTurn) -> Prefix | None:
        """The keys and values up to the end of the previous turn, whose last token was never run."""
        request, length = turn.request, turn.request.known - 1
        if length < 1:
            return None
        return self._kept.past(prefix_key(request.input_ids[:length], request.image_spans, request.images))

    def _fill_rows(self, first: int, groups: Sequence[_Group]) -> torch.Tensor:
        """One row per group, then one for each further turn of a group; gives hidden states `[G, H]`."""
        for row, group in enumerate(groups, start=first):
            if group.past is not None:
                self._cache.write(slice(row, row + 1), group.past.keys_values)
        new = [Prompt(group.request, group.past_length) for group in groups if group.hidden is None]
        hidden = [self._prefill(self._cache, first, new)] if new else []
        hidden += [last for group in groups if (last := group.hidden) is not None]
        row = first + len(groups)
        for source, group in enumerate(groups, start=first):
            further = len(group.turns) - 1
            if further:
                self._cache.copy(source, slice(row, row + further), group.length)
            row += further
        return torch.cat(hidden)

    # --- Decoding ------------------------------------------------------------------------------------------

    def _step(self) -> list[OpenTurn]:
        count = len(self._rows)
        columns = int(self._lengths[:count].max()) + 1
        self._cache.reserve(count, columns)
        state = torch.from_numpy(self._state[:, :count].copy()).to(self._model.device)
        tokens, lengths, positions = state
        mask = torch.arange(columns, device=lengths.device) <= lengths[:, None]
        embeds = self._model.get_input_embeddings()(tokens[:, None])
        at = positions[None, :, None].expand(3, -1, -1)
        writer = self._cache.tokens(lengths, columns)
        hidden = forward(self._model, embeds, at, mask[:, None, None], writer)
        self._lengths[:count] += 1
        self._positions[:count] += 1
        self._sample(0, self._model.lm_head(hidden[:, -1]))
        return self._finish()

    def _sample(self, first: int, logits: torch.Tensor) -> None:
        """Draw the next token of the rows from `first` on."""
        turns = self._rows[first:]
        self._banned = self._banned.to(logits.device)
        logprobs = policy_logprobs(logits, self._banned)
        drawn = _draw(logprobs, turns)
        chosen = logprobs.gather(1, drawn[:, None]).squeeze(1)
        tokens = drawn.tolist()
        for turn, token, logprob in zip(turns, tokens, chosen.tolist(), strict=True):
            turn.add(token, logprob)
        self._tokens[first : first + len(turns)] = tokens

    # --- Leaving -------------------------------------------------------------------------------------------

    def _finish(self) -> list[OpenTurn]:
        rows = [row for row, turn in enumerate(self._rows) if turn.finish_reason]
        for row in rows:
            turn = self._rows[row]
            if turn not in self._outdated:
                request = turn.request
                self._keep(prefix_key(turn.computed_ids, request.image_spans, request.images), row)
        return self._remove(rows)

    def _drop_given_up(self) -> list[OpenTurn]:
        gone = [turn for turn in self._waiting if turn.given_up]
        for turn in gone:
            self._waiting.remove(turn)
        return gone + self._remove([row for row, turn in enumerate(self._rows) if turn.given_up])

    def _remove(self, rows: Sequence[int]) -> list[OpenTurn]:
        """Free rows (ascending); the last live rows move into the gaps."""
        removed = [self._rows[row] for row in rows]
        count = len(self._rows) - len(rows)
        gone = set(rows)
        movers = (row for row in range(count, len(self._rows)) if row not in gone)
        for row, mover in zip(rows, movers, strict=False):
            self._cache.copy(mover, slice(row, row + 1), int(self._lengths[mover]))
            self._state[:, row] = self._state[:, mover]
            self._rows[row] = self._rows[mover]
        del self._rows[count:]
        self._outdated.difference_update(removed)
        return removed

    # --- Keeping -------------------------------------------------------------------------------------------

    def _keep(self, key: bytes, row: int, hidden: torch.Tensor | None = None) -> None:
        length = int(self._lengths[row])
        if key not in self._kept and length * self._cache.token_bytes <= self._kept.max_bytes:
            last = None if hidden is None else hidden.clone()
            self._kept.put(key, Prefix(self._cache.read(row, length), last))

    def _empty_cache(self) -> KVCache:
        model = self._model
        return KVCache(model.config.text_config, self._max_rows, model.dtype, model.device)


@dataclass(slots=True, eq=False)
class _Group:
    """Turns with the same prompt, and what is kept of its beginning."""

    key: bytes
    past: Prefix | None
    turns: list[OpenTurn] = field(default_factory=list)

    @property
    def request(self) -> GenerationRequest:
        return self.turns[0].request

    @property
    def length(self) -> int:
        return len(self.request.input_ids)

    @property
    def past_length(self) -> int:
        return 0 if self.past is None else self.past.length

    @property
    def hidden(self) -> torch.Tensor | None:
        """`[1, H]`, the prompt's last hidden state, if the whole prompt is kept and need not be run."""
        if self.past is None or self.past.hidden is None or self.past.length < self.length:
            return None
        return self.past.hidden[None]

    @property
    def order(self) -> tuple[bool, bool, int]:
        """Whole prompts first, then continuations, then what need not be run; each from short to long."""
        return self.hidden is not None, self.past is not None, self.length


def _draw(logprobs: torch.Tensor, turns: Sequence[OpenTurn]) -> torch.Tensor:
    """One token per row, int64 `[B]`, each at its own temperature."""
    uniform = torch.tensor([turn.uniform for turn in turns], device=logprobs.device)
    temperatures = [turn.params.temperature for turn in turns]
    if len(set(temperatures)) == 1:
        return draw(logprobs, temperatures[0], uniform)
    drawn = torch.empty(len(turns), dtype=torch.int64, device=logprobs.device)
    for temperature in set(temperatures):
        rows = [row for row, own in enumerate(temperatures) if own == temperature]
        drawn[rows] = draw(logprobs[rows], temperature, uniform[rows])
    return drawn
