"""Our agent as a model of VLMEvalKit; one episode answers each message.

VLMEvalKit has no plug-ins: name the class in `vlmeval/config.py`,

    from functools import partial
    from benchmarks.interchange.vlmevalkit_model import DeepEyes
    supported_VLM["DeepEyes-7B"] = partial(DeepEyes, policy="path/to/checkpoint")

and run `python run.py --model DeepEyes-7B --data HRBench4K`. The arguments are those of `deepeyes ask`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.interchange.answerer import Answerer, AnswererOptions, question
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage


class DeepEyes:
    """What VLMEvalKit asks of a model (`vlmeval/vlm/base.py`); it inherits and imports nothing of it."""

    is_api = False
    INTERLEAVE = True

    def __init__(self, **words: object) -> None:
        """Open the policy.

        Args:
            **words: Options of `AnswererOptions`.

        Raises:
            ConfigError: An option cannot be used.
        """
        self._answerer = Answerer(AnswererOptions.from_words(words))

    def use_custom_prompt(self, dataset: str) -> bool:
        """No: questions are asked in the data set's own words."""
        return False

    def set_dump_image(self, dump_image: Callable[[Any], Any]) -> None:
        """Not needed: only custom prompts dump images."""

    def generate(self, message: Sequence[Mapping[str, str]], dataset: str | None = None) -> str:
        """The final answer to one message; see `generate_inner`."""
        return self.generate_inner(message, dataset)

    def generate_inner(self, message: Sequence[Mapping[str, str]], dataset: str | None = None) -> str:
        """The final answer to one message, empty where the episode ended without.

        Args:
            message: `{"type": "text" | "image", "value": the text or the file's path}`, in order.
            dataset: Name of the data set; makes no difference.

        Raises:
            AnswerError: The infrastructure failed: VLMEvalKit knows no unscored question, so the run stops.
            ConfigError: The message holds something else.
            ImageError: A picture cannot be used.
        """
        return self._answerer.answer([question(list(parts(message)))])[0]


def parts(message: Sequence[Mapping[str, str]]) -> Iterator[str | EncodedImage]:
    """Texts and pictures of a message, in order.

    Raises:
        ConfigError: It holds something else.
        ImageError: A picture cannot be used.
    """
    for part in message:
        match part:
            case {"type": "text", "value": str(text)}:
                yield text
            case {"type": "image", "value": path}:
                yield EncodedImage.from_bytes(Path(path).read_bytes())
            case {"type": kind}:
                raise ConfigError(f"the message holds a {kind}: deepeyes sees pictures and text only")
