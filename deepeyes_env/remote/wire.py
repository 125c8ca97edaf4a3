"""What server and client say to each other, as JSON; images go by hash. What comes in is not trusted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from deepeyes_env.config import ConfigError, EnvConfig, load_config
from deepeyes_env.episode import Observation
from deepeyes_env.images import EncodedImage
from deepeyes_env.outcome import Outcome
from deepeyes_env.remote.error import RemoteError
from deepeyes_env.runner import StepResult

PROTOCOL = 1
"""Version of all this; a client refuses any other."""

MAX_DETAIL = 500
"""Most characters of what a server says of a refusal."""

KEPT_BY_SERVER = frozenset({"source", "sandbox_backend", "search", "judge"})
"""Fields of `EnvConfig` that name files and services; no client needs them."""

Json = dict[str, Any]


class MalformedError(ValueError):
    """What came in is not what the two sides say to each other."""


_HASH = re.compile(r"[0-9a-f]{64}")

_RULES = TypeAdapter(EnvConfig)

_OUTCOMES = frozenset(map(str, Outcome))


def dump(value: Json) -> bytes:
    """JSON in ASCII, so that lone surrogates of a policy's text come through as they are."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def load(data: bytes) -> Json:
    """An object from JSON.

    Raises:
        MalformedError: It is none.
    """
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise MalformedError("nested too deeply") from error
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if not isinstance(value, dict):
        raise MalformedError("no JSON object")
    return value


def dump_rules(config: EnvConfig) -> Json:
    """The rules that a policy and its driver go by."""
    rules: Json = _RULES.dump_python(config, mode="json", exclude=set(KEPT_BY_SERVER))
    return rules


def read_rules(value: object) -> EnvConfig:
    """The configuration with these rules and defaults where the server keeps its own.

    Raises:
        RemoteError: They are none.
    """
    try:
        return load_config(EnvConfig, _object(value, "the rules"))
    except ConfigError as error:
        raise RemoteError(f"the server's rules are unknown here ({error}): use the same version") from error


def dump_observation(observation: Observation) -> Json:
    """Text, and the images' hashes."""
    return {"text": observation.text, "images": [image.sha256 for image in observation.images]}


def read_observation(value: object, most: int, image: Callable[[str], EncodedImage]) -> Observation:
    """An observation.

    Args:
        value: As `dump_observation` makes it.
        most: Images that it may have.
        image: Gives an image by its hash.

    Raises:
        RemoteError: It is none.
    """
    given = _object(value, "an observation")
    text, hashes = given.get("text"), given.get("images")
    if not isinstance(text, str) or not isinstance(hashes, list) or len(hashes) > most:
        raise RemoteError(f"an observation must have a text and at most {most} images")
    if not all(isinstance(name, str) and _HASH.fullmatch(name) for name in hashes):
        raise RemoteError("an image's name must be its SHA-256")
    return Observation(text, tuple(image(name) for name in hashes))


def dump_result(result: StepResult) -> Json:
    """What a turn led to."""
    return {
        "observation": dump_observation(result.observation),
        "reward": result.reward,
        "terminated": result.terminated,
        "truncated": result.truncated,
        "info": result.info,
    }


def read_result(value: Json, most: int, image: Callable[[str], EncodedImage]) -> StepResult:
    """What a turn led to; arguments and errors as of `read_observation`."""
    reward, ends = value.get("reward"), (value.get("terminated"), value.get("truncated"))
    if not isinstance(reward, float) or not math.isfinite(reward):
        raise RemoteError("a reward must be a finite number")
    if not all(isinstance(end, bool) for end in ends):
        raise RemoteError("`terminated` and `truncated` must be true or false")
    info = read_info(value.get("info"))
    if any(ends) and not all(isinstance(info.get(key), float) for key in ("accuracy", "format", "total")):
        raise RemoteError("the end of an episode lacks the parts of its reward")
    if any(ends) and info.get("outcome") not in _OUTCOMES:
        raise RemoteError("the end of an episode lacks its outcome")
    observation = read_observation(value.get("observation"), most, image)
    return StepResult(observation, reward, bool(ends[0]), bool(ends[1]), info)


def read_info(value: object) -> Json:
    """An info.

    Raises:
        RemoteError: It holds more than texts, finite numbers and truth values.
    """
    info = _object(value, "an info")
    for name, item in info.items():
        if not isinstance(item, str | bool | int | float):
            raise RemoteError(f"the info's {name[:50]!r} must be a text, a number, true or false")
        if isinstance(item, float) and not math.isfinite(item):
            raise RemoteError(f"the info's {name[:50]!r} must be a finite number")
    return info


def _object(value: object, what: str) -> Json:
    if not isinstance(value, dict):
        raise RemoteError(f"{what} must be an object")
    return value
