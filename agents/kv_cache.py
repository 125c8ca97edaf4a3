"""Keys and values of many conversations in one tensor: every row begins at column 0 and has its own length.

There is no padding between a prompt and what follows it, so a row can be read, kept and continued by its
length alone. The attention layers of transformers call `update` of whatever they are given as cache, and
nothing else; the three writers here offer it. Masks and positions come explicitly from `agents.prefill` and
`agents.decode_engine`.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

SPARE_COLUMNS = 128
"""Columns are added in multiples of this, and adding copies the cache: 1/128 of a copy per token decoded."""


class Writer(Protocol):
    """What attention layers get as their cache."""

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one layer's new keys and values `[B, heads, T, width]`; give back all to attend to."""
        ...


class KVCache:
    """Rows for up to `max_rows` conversations; memory is taken as it is needed.

    Columns beyond a row's length hold finite leftovers: whoever attends hides them.

    Args:
        config: The language model's configuration; gives layers, heads and width.
        max_rows: Bound of the rows.
        dtype: Precision of the model.
        device: Where it lives.
    """

    def __init__(self, config: Any, max_rows: int, dtype: torch.dtype, device: torch.device) -> None:
        heads, width = config.num_key_value_heads, config.hidden_size // config.num_attention_heads
        self._max_rows = max_rows
        # Zeros, because a hidden column still takes part in the weighted sum, with weight 0.
        self._tensor = torch.zeros(
            config.num_hidden_layers, 2, 0, heads, 0, width, dtype=dtype, device=device
        )

    @property
    def token_bytes(self) -> int:
        """Bytes that one token takes in all layers."""
        layers, both, _, heads, _, width = self._tensor.shape
        return layers * both * heads * width * self._tensor.element_size()

    def reserve(self, rows: int, columns: int) -> None:
        """Make room for that many rows and columns; what is there stays."""
        layers, both, old_rows, heads, old_columns, width = self._tensor.shape
        if rows <= old_rows and columns <= old_columns:
            return
        if rows > old_rows:
            rows = min(max(rows, 2 * old_rows), self._max_rows)
        columns = -(-columns // SPARE_COLUMNS) * SPARE_COLUMNS
        shape = layers, both, max(rows, old_rows), heads, max(columns, old_columns), width
        wider = self._tensor.new_zeros(shape)
        wider[:, :, :old_rows, :, :old_columns] = self._tensor
        self._tensor = wider

    def read(self, row: int, length: int) -> torch.Tensor:
        """A copy of the beginning of a row, `[layers, 2, heads, length, width]`."""
        return self._tensor[:, :, row, :, :length].clone()

    def write(self, rows: slice, beginning: torch.Tensor) -> None:
        """Let rows begin with what `read` gave."""
        self._tensor[:, :, rows, :, : beginning.shape[3]] = beginning[:, :, None]

    def copy(self, source: int, rows: slice, length: int) -> None:
        """Let rows begin as another one does."""
        self._tensor[:, :, rows, :, :length] = self._tensor[:, :, source : source + 1, :, :length]

    def prompts(self, rows: slice) -> Writer:
        """For a pass over whole prompts, padded on the right: causal attention needs nothing else."""
        return _Prompts(self._tensor[:, :, rows])

    def continuations(self, rows: slice, past: torch.Tensor, fresh: torch.Tensor) -> Writer:
        """For a pass that continues rows, padded on the right.

        Args:
            rows: `B` rows.
            past: int64 `[B]`, lengths of what is there.
            fresh: int64 `[B]`, lengths of what is new.
        """
        row, step = (torch.arange(int(fresh.max()), device=fresh.device) < fresh[:, None]).nonzero(
            as_tuple=True
        )
        return _Continuations(
            self._tensor[:, :, rows], row, step, past[row] + step, int((past + fresh).max())
        )

    def tokens(self, lengths: torch.Tensor, columns: int) -> Writer:
        """For one token in each of the first `B` rows.

        Args:
            lengths: int64 `[B]`, lengths of what is there.
            columns: The longest of them, plus 1.
        """
        return _Tokens(self._tensor[:, :, : len(lengths)], lengths, columns)


class _Prompts:
    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        width = keys.shape[2]
        self._tensor[layer, 0, :, :, :width] = keys
        self._tensor[layer, 1, :, :, :width] = values
        return keys, values


class _Continuations:
    def __init__(
        self, tensor: torch.Tensor, row: torch.Tensor, step: torch.Tensor, column: torch.Tensor, columns: int
    ) -> None:
        self._tensor = tensor
        self._row, self._step, self._column, self._columns = row, step, column, columns

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mine = self._tensor[layer]
        mine[0, self._row, :, self._column] = keys[self._row, :, self._step]
        mine[1, self._row, :, self._column] = values[self._row, :, self._step]
        return mine[0, :, :, : self._columns], mine[1, :, :, : self._columns]


class _Tokens:
    def __init__(self, tensor: torch.Tensor, lengths: torch.Tensor, columns: int) -> None:
        self._tensor = tensor
        self._row = torch.arange(len(lengths), device=lengths.device)
        self._lengths, self._columns = lengths, columns

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mine = self._tensor[layer]
        mine[0, self._row, :, self._lengths] = keys[:, :, 0]
        mine[1, self._row, :, self._lengths] = values[:, :, 0]
        return mine[0, :, :, : self._columns], mine[1, :, :, : self._columns]
