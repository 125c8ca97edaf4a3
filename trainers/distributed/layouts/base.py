"""What the engine asks of a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

IdlePass = Callable[[], Tensor]
"""Gives the loss of a pass that adds nothing to the gradient."""


class NotFinite(RuntimeError):
    """Gradients are infinite or no numbers, and it makes no sense to go on; the same in all processes."""


class Layout(Protocol):
    """A model and its optimiser, spread over the processes in one way.

    All methods are collective.

    Attributes:
        name: Written into checkpoints: a run is resumed in the layout in which it was begun.
        sharded: Whether a process holds only a part of the weights. Then every pass needs all processes, and
            a policy cannot sample from the model.
        model: What is called to score a batch.
    """

    name: str
    sharded: bool
    model: Any

    @property
    def plain(self) -> Any:
        """The same as a Hugging Face model, with such weights as this process has."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss.

        Where the model is sharded, all processes have to call it equally often.
        """
        ...

    def step(self, idle: IdlePass) -> float:
        """Sum the gradients over the processes, clip them, step and forget them.

        Without the step where their norm is not finite: one such gradient would make every weight NaN, and
        the optimiser's averages for good.

        Args:
            idle: Makes one more pass, where the step belongs to a pass.

        Returns:
            Norm of the gradient before clipping; the same in all processes.

        Raises:
            NotFinite: It is not finite, and the layout could not leave out the step.
        """
        ...

    def whole(self) -> Any:
        """The model in one piece, as policies and checkpoints take it; None but in the first process."""
        ...

    def load_weights(self, directory: Path) -> None:
        """Take the weights of a checkpoint, whose `model` is a Hugging Face one."""
        ...

    def save_optimizer(self, directory: Path) -> None:
        """Write the optimiser's state into a directory that every process can write."""
        ...

    def load_optimizer(self, directory: Path) -> None:
        """Go on from `save_optimizer`."""
        ...


@dataclass(frozen=True, eq=False)
class Gathered:
    """A sharded model whose weights have been gathered: what policies and checkpoints ask of a model.

    Attributes:
        model: The model that they belong to, whatever weights it has itself.
        weights: All of its weights, in main memory.
    """

    model: Any
    weights: Mapping[str, Tensor]

    def state_dict(self) -> Mapping[str, Tensor]:
        """The weights by name."""
        return self.weights

    def save_pretrained(self, directory: Path) -> None:
        """Write a Hugging Face checkpoint; weights that share a parameter (tied ones) stand there once."""
        shared = self.model.state_dict().keys() - _names_once(self.model)
        kept = {name: value for name, value in self.weights.items() if name not in shared}
        self.model.save_pretrained(directory, state_dict=kept)

    def get_input_embeddings(self) -> Any:
        """The module, for questions about its weight."""
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        """The module, for questions about its weight."""
        return self.model.get_output_embeddings()


def _names_once(model: Any) -> set[str]:
    """Names of parameters and buffers, each under its first one."""
    return {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
