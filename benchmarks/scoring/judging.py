"""A judge beside the rules: asked only where they are not sure, and on a sample of what they decided."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deepeyes_env.config import JudgeConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.rewards.judge import TEMPERATURE, HttpJudge, Judge, prompt_hash
from trainers.curation.keys import canonical, checkpoint_digest


def describe_judge(config: JudgeConfig) -> dict[str, str | float]:
    """What a run's card says of a judge: who it is, where it is asked, how it samples, and by which prompt.

    Of the address it names scheme and host: what else an address may hold can be secret, and says nothing of
    who judges. `model_sha256` names all that answers in one: of a checkpoint on this machine (a server calls
    its model by the path that it was given) the content of its files, wherever it lies and is served; else
    model and address; and how it samples.

    Raises:
        ConfigError: The model is not named.
    """
    if config.model is None:
        raise ConfigError(
            "judge: name its model (--judge-model, or judge.model in --env): a run's card says who judged"
        )
    url = urlsplit(config.base_url)
    name = {"model": config.model, "address": f"{url.scheme}://{url.hostname or ''}"}
    sampling = {"temperature": TEMPERATURE, "max_tokens": config.max_tokens}
    # A relative name may be that of any directory here, and the server does not mean it.
    files = checkpoint_digest(config.model) if Path(config.model).is_absolute() else None
    identity = (name if files is None else {"files": files}) | sampling
    return {
        **name,
        **sampling,
        "model_sha256": hashlib.sha256(canonical(identity)).hexdigest(),
        "prompt_sha256": prompt_hash(),
    }


def open_judge(config: JudgeConfig) -> RememberingJudge:
    """The judge of a configuration; nothing is sent yet.

    Raises:
        ConfigError: Its library is missing, or the address or the key cannot be sent.
    """
    return RememberingJudge(HttpJudge(config))


class RememberingJudge:
    """Asks the judge once for the same question, reference and answer. Safe to use from many threads.

    Attributes:
        asked: How often the judge was asked, failures included.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._lock = threading.Lock()
        self._replies: dict[tuple[str, str, str], Future[bool]] = {}
        self.asked = 0

    def says_equivalent(self, question: str, reference: str, answer: str) -> bool:
        """See `deepeyes_env.rewards.judge.Judge`; a failure is not remembered."""
        asked = (question, reference, answer)
        with self._lock:
            reply = self._replies.get(asked)
            if first := reply is None:
                reply = self._replies[asked] = Future()
                self.asked += 1
        if first:
            try:
                reply.set_result(self._judge.says_equivalent(*asked))
            except BaseException as error:
                with self._lock:
                    del self._replies[asked]
                reply.set_exception(error)
        return reply.result()

    def close(self) -> None:
        """Close the judge's connections."""
        if isinstance(self._judge, HttpJudge):
            self._judge.close()


def sampled(share: float, draw: Mapping[str, Any]) -> bool:
    """Whether a draw is among the share of rule-decided ones that the judge is asked about too.

    Args:
        share: From 0 to 1.
        draw: What names the draw; the same draw is always in the sample or never.
    """
    name = "/".join(f"{key}={value}" for key, value in sorted(draw.items()))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) < share * 2**64
