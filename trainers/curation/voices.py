"""Who speaks: what names them for ever, and how they are opened when a turn is due at last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from agents.actor import ORACLE, Actor, PolicyOptions
from agents.scripted import Program, ScriptSpeaker, script_name
from agents.speaker import Speaker
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from trainers.curation.keys import canonical, checkpoint_digest

CHAT_SETTINGS = ("model", "base_url", "stop", "sampling", "length_key")
"""Settings of a chat API that decide what it says; the others decide when, and for how much money."""

CHANGING = ("truncation", "padding")
"""Parts of a tokenizer's description that its last call has left there."""


OpenSpeaker = Callable[[], Speaker]
"""Opens a speaker, or gives the one that is open."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker to be.

    Attributes:
        settings: Everything that decides what it says, besides the draw and the environment.
        versions: Stored with its trajectories.
        open: Opens it; the speaker may be used inside the block.
    """

    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    open: Callable[[], AbstractContextManager[Speaker]]


def voice_of(options: PolicyOptions, vocabulary: Vocabulary) -> Voice:
    """The voice that a command's options name.

    Args:
        options: The options.
        vocabulary: Encodes what speakers of text say; those that speak tokens must share it.

    Raises:
        ConfigError: The settings of its chat API cannot be used.
    """

    @contextmanager
    def opened() -> Iterator[Speaker]:
        with closing(Actor(options, vocabulary)) as actor:
            if actor.vocabulary.tokenizer.get_vocab() != vocabulary.tokenizer.get_vocab():
                raise ConfigError(
                    f"policy = {options.policy!r}: its tokenizer is not that of the model to be trained; "
                    "name that one by --tokenizer, or serve the policy as a chat API (--backend api), which "
                    "speaks text"
                )
            yield actor.speaker
            for line in actor.bill():
                print(line)

    return Voice(_settings(options, vocabulary), options.versions, opened)


def scripted_voice(program: Program, vocabulary: Vocabulary) -> Voice:
    """The voice of a script."""

    @contextmanager
    def opened() -> Iterator[Speaker]:
        yield ScriptSpeaker(program, vocabulary)

    versions = {"policy": script_name(program)}
    return Voice(versions | {"tokenizer": tokenizer_digest(vocabulary)}, versions, opened)


@contextmanager
def opened_once(voice: Voice) -> Iterator[OpenSpeaker]:
    """Open a voice when it is first asked for, and close it at the end of the block."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(voice.open()))


def tokenizer_digest(vocabulary: Vocabulary) -> str:
    """Hash of a tokenizer: its vocabulary and its rules."""
    rules = json.loads(vocabulary.tokenizer.backend_tokenizer.to_str())
    lasting = {key: value for key, value in rules.items() if key not in CHANGING}
    return hashlib.sha256(canonical(lasting)).hexdigest()


def _settings(options: PolicyOptions, vocabulary: Vocabulary) -> dict[str, Any]:
    said = {"policy": options.policy, "tokenizer": tokenizer_digest(vocabulary)}
    if options.policy == ORACLE:
        return said
    sampled = {
        "backend": options.backend,
        "temperature": options.temperature,
        "max_turn_tokens": options.max_turn_tokens,
    }
    if options.backend == "api":
        chat = options.chat
        return said | sampled | {key: getattr(chat, key) for key in CHAT_SETTINGS}
    weights = checkpoint_digest(options.policy)
    # Files tell what is served, wherever it is; of a name without files only the address tells something.
    servers = {"urls": list(options.urls)} if options.urls and weights is None else {}
    return said | sampled | servers | {"dtype": options.dtype, "weights": weights}
