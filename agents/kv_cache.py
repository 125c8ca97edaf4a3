"""A key-value cache with spare columns: decoding writes in place instead of copying everything every step.

It offers what the attention layers of transformers call, `update`, and nothing else; masks and positions come
explicitly from `agents.transformers_policy`.
"""

from __future__ import annotations

from typing import Any

import torch

SPARE_COLUMNS = 128
"""Columns added whenever the cache is full; copying then costs 1/128 of a copy per token."""


class PrefillCache:
    """Collects the keys and values of one prefill pass, layer by layer.

    Attributes:
        keys: One tensor `[B, heads, T, width]` per layer.
        values: The same for values.
    """

    def __init__(self) -> None:
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep one layer's keys and values and give them back."""
        self.keys.append(keys)
        self.values.append(values)
        return keys, values


class DecodeCache:
    """Keys and values of `B` conversations, one new column per step.

    The prompts fill columns from the left and may have different lengths; what stands between a prompt's end
    and the first sampled token is padding, hidden by `visible`. Keys carry their rotary position already, so
    the column does not matter.

    Args:
        rows: `B`.
        columns: Length of the longest prompt.
        device: Where the tensors live.
    """

    def __init__(self, rows: int, columns: int, device: torch.device) -> None:
        self.columns = columns
        self.visible = torch.zeros(rows, columns + SPARE_COLUMNS, dtype=torch.bool, device=device)
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    def fill(
        self, rows: torch.Tensor, source: torch.Tensor, prefill: PrefillCache, lengths: torch.Tensor
    ) -> None:
        """Copy prefilled prompts into rows; one prompt may fill several rows.

        Args:
            rows: int64 `[N]`, rows to fill.
            source: int64 `[N]`, which row of `prefill` each of them gets.
            prefill: Keys and values of the prompts, padded on the right.
            lengths: int64 `[N]`, lengths of the prompts.
        """
        width = prefill.keys[0].shape[2]
        for own, new in ((self._keys, prefill.keys), (self._values, prefill.values)):
            if not own:
                own += [self._empty(layer) for layer in new]
            for mine, layer in zip(own, new, strict=True):
                mine[rows, :, :width] = layer[source]
        self.visible[rows, :width] = torch.arange(width, device=rows.device) < lengths[:, None]

    def open_column(self) -> torch.Tensor:
        """Make room for one token per row.

        Returns:
            The attention mask of that token, bool `[B, 1, 1, columns]`.
        """
        if self.columns == self.visible.shape[1]:
            self.visible = _widen(self.visible, dim=1)
            self._keys = [_widen(layer, dim=2) for layer in self._keys]
            self._values = [_widen(layer, dim=2) for layer in self._values]
        self.visible[:, self.columns] = True
        self.columns += 1
        return self.visible[:, None, None, : self.columns]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write one layer's new column and give back all of its columns so far."""
        self._keys[layer][:, :, self.columns - 1] = keys[:, :, 0]
        self._values[layer][:, :, self.columns - 1] = values[:, :, 0]
        return self._keys[layer][:, :, : self.columns], self._values[layer][:, :, : self.columns]

    def keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but these (int64 `[N]`)."""
        self.visible = self.visible[rows]
        self._keys = [layer[rows] for layer in self._keys]
        self._values = [layer[rows] for layer in self._values]

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        rows, columns = self.visible.shape
        # Zeros, because a hidden column still takes part in the weighted sum, with weight 0.
        return like.new_zeros(rows, like.shape[1], columns, like.shape[3])


def _widen(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    shape = list(tensor.shape)
    shape[dim] = SPARE_COLUMNS
    return torch.cat([tensor, tensor.new_zeros(shape)], dim=dim)
