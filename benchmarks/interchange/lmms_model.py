"""Our agent as a model of lmms-eval: `lmms-eval --model deepeyes --model_args policy=...,max_tokens=...`.

The arguments are the options of `deepeyes ask` by their names. Chat tasks are asked as messages (lmms-eval
0.7.3, `models/chat`); one episode answers each, and only the final answer is handed back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from lmms_eval.api.model import lmms
from PIL import Image
from tqdm import tqdm

from benchmarks.interchange.answerer import Answerer, AnswererOptions, Question, question
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage


class DeepEyes(lmms):
    """The agent; see `benchmarks.interchange.answerer`."""

    is_simple = False

    def __init__(self, batch_size: object = 1, device: str | None = None, **words: object) -> None:
        """Open the policy.

        Args:
            batch_size: lmms-eval's; `num_envs` says how many episodes run at once.
            device: Where the model runs; lmms-eval's `--device`.
            **words: Options of `AnswererOptions`.

        Raises:
            ConfigError: An option cannot be used.
        """
        super().__init__()
        self._options = AnswererOptions.from_words({**words, **({"device": device} if device else {})})
        self._answerer = Answerer(self._options)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The final answers, in order of the requests.

        Raises:
            AnswerError: The infrastructure failed; lmms-eval knows no unscored question, so the run stops.
        """
        answers: list[str] = []
        asked = map(self._question, requests)
        with tqdm(total=len(requests), desc="Model Responding", disable=self.rank != 0) as bar:
            while batch := list(islice(asked, 4 * self._options.num_envs)):
                answers += self._answerer.answer(batch)
                bar.update(len(batch))
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refused: the agent has rounds of its own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("deepeyes answers each question in one episode; it plays no task's rounds")

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refused: an episode has no likelihood.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("deepeyes answers questions; it scores no continuations")

    def _question(self, request: Any) -> Question:
        _, to_messages, _, number, task, split = request.args
        return question(list(parts(to_messages(self.task_dict[task][split][number]))))


def parts(messages: Sequence[Any]) -> Iterator[str | EncodedImage]:
    """Texts and pictures of a conversation of lmms-eval's (`lmms_eval/protocol.py`), in order.

    Raises:
        ConfigError: It holds a video or a sound.
    """
    for message in messages:
        for content in message["content"]:
            match content:
                case {"type": "text", "text": str(text)}:
                    yield text
                case {"type": "image", "url": Image.Image() as picture}:
                    yield EncodedImage.from_pil(picture.convert("RGB"))
                case {"type": kind}:
                    raise ConfigError(f"the task shows a {kind}: deepeyes sees pictures (PIL) and text only")
