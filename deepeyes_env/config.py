"""Configuration: frozen dataclasses, checked when made, TOML on disk, one loader for all packages."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from deepeyes_env.errors import ConfigError, nearest, require, require_seconds
from deepeyes_env.images import MAX_PIXELS, MIN_PIXELS
from deepeyes_env.sandbox.base import SandboxLimits
from deepeyes_env.sandbox.config import LocalSandboxConfig, SandboxConfig
from deepeyes_env.search.base import DEFAULT_HITS
from deepeyes_env.search.caps import MAX_HITS
from deepeyes_env.search.config import SearchConfig
from deepeyes_env.task import Split
from deepeyes_env.tasks import SourceConfig, WorldConfig

__all__ = ["ConfigError", "EnvConfig", "JudgeConfig", "Tool", "load_config"]

Tool = Literal["code", "search", "image_search"]
"""The tools that can be switched off."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """An LLM judge behind an OpenAI-compatible chat API, asked only where no rule is sure.

    Attributes:
        base_url: Address up to and including `/v1`.
        model: Model name; None takes the first one the server lists (as upstream, reference 3).
        api_key_variable: Environment variable that holds the key; unset means no key.
        timeout_seconds: Wall time of one request.
        max_tokens: Length of the judge's reasoning and verdict (reference 3: 8192).
        attempts: Requests before the judge counts as failed (reference 3: 8).
    """

    base_url: str
    model: str | None = None
    api_key_variable: str = "DEEPEYES_JUDGE_API_KEY"
    timeout_seconds: float = 60.0
    max_tokens: int = 8192
    attempts: int = 3

    def __post_init__(self) -> None:
        require(
            self.base_url.startswith(("http://", "https://")), "base_url", self.base_url, "an http(s) URL"
        )
        require_seconds("timeout_seconds", self.timeout_seconds)
        require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        require(self.attempts >= 1, "attempts", self.attempts, "at least 1")


@dataclass(frozen=True, slots=True)
class EnvConfig:
    """Everything that makes one DeepEyes environment differ from another.

    Attributes:
        source: Where tasks come from.
        split: The part of the source that `reset` draws from.
        tools: The tools that answer; a call to another one is told so and the episode goes on.
        image_search: Whether an image search may name a picture and a part of it (`crop`), as later systems
            do, or always takes the question's first image (`original`), as in the paper (reference 2.3).
        prompt: Prompt variant (`deepeyes_env.prompts`): `full`, `code_only`, `search_only`, `direct` (no
            tools), `minimal`.
        think: Whether the format reward demands that every turn opens with `<think>` (reference 1.1).
        max_turns: Turns of the policy; a tool call in the last one is not run (reference 1.5).
        min_pixels: Smallest area at which the question's images are observed (reference 1.6).
        max_pixels: Largest area at which the question's images are observed (reference 1.6).
        tool_min_pixels: Smallest area of an image that a tool gave.
        tool_max_pixels: Largest area of an image that a tool gave.
        sandbox_pixels: Whether the sandbox holds the images as observed or as the task has them; `original`
            makes the prompt state the original sizes (reference 8.2).
        sandbox_backend: Where the policy's code runs: `local`, `http` or `e2b`.
        limits: Limits of a sandbox session.
        search: What the search tools ask; None means the source's own engine as it is.
        search_hits: Hits per search (reference 2.3).
        max_images_per_turn: Images shown per observation (reference 1.5).
        max_images: Images per conversation, after which it is truncated (reference 1.5).
        max_episode_pixels: Area of all images of a conversation together, as observed, after which it is
            truncated; None leaves it to `max_images`. 784 pixels are one visual token. The question's own
            images count, but are always shown.
        max_observation_chars: Characters of tool output per observation; the middle of the rest is cut.
        reward: How accuracy, format and tool calls combine (`deepeyes_env.rewards.combine` has the table):
            `deepeyesv2` (released code) or `paper` (sum), and to be studied `deepeyes_v1`, `call_bonus` and
            `efficient`; reference 3.
        judge: An LLM judge, or None for rules alone.
    """

    source: SourceConfig = field(default_factory=WorldConfig)
    split: Split = "train"
    tools: frozenset[Tool] = frozenset(get_args(Tool))
    image_search: Literal["crop", "original"] = "crop"
    prompt: Literal["full", "code_only", "search_only", "direct", "minimal"] = "full"
    think: Literal["required", "optional"] = "required"
    max_turns: int = 9
    min_pixels: int = MIN_PIXELS
    max_pixels: int = MAX_PIXELS
    tool_min_pixels: int = MIN_PIXELS
    tool_max_pixels: int = MAX_PIXELS
    sandbox_pixels: Literal["observed", "original"] = "observed"
    sandbox_backend: SandboxConfig = field(default_factory=LocalSandboxConfig)
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    search: SearchConfig | None = None
    search_hits: int = DEFAULT_HITS
    max_images_per_turn: int = 10
    max_images: int = 50
    max_episode_pixels: int | None = None
    max_observation_chars: int = 16_000
    reward: Literal["deepeyesv2", "paper", "deepeyes_v1", "call_bonus", "efficient"] = "deepeyesv2"
    judge: JudgeConfig | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        for key in ("max_turns", "search_hits", "max_images_per_turn", "max_images"):
            require(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        pixels = self.max_episode_pixels
        require(pixels is None or pixels >= 1, "max_episode_pixels", pixels, "at least 1, or None")
        chars = self.max_observation_chars
        require(chars >= 1_000, "max_observation_chars", chars, "at least 1000")
        if self.search is not None:
            most = f"at most {MAX_HITS} where `search` is set: no response has more"
            require(self.search_hits <= MAX_HITS, "search_hits", self.search_hits, most)
        for low, high in (("min_pixels", "max_pixels"), ("tool_min_pixels", "tool_max_pixels")):
            require(getattr(self, low) >= 1, low, getattr(self, low), "at least 1")
            require(getattr(self, low) <= getattr(self, high), low, getattr(self, low), f"at most {high}")


def load_config(cls: type[T], source: str | Path | Mapping[str, Any] | None = None, /, **overrides: Any) -> T:
    """Make a configuration from a TOML file or a mapping, with overrides on top.

    Args:
        cls: A dataclass whose fields may be dataclasses in turn.
        source: Path of a TOML file, a mapping of field names to values, or None for the defaults.
        **overrides: Fields that replace those of `source`.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: An unknown key or a bad value; the message names it and the nearest valid one.
    """
    values = dict(_read_toml(Path(source)) if isinstance(source, str | Path) else source or {}) | overrides
    kind: Any = cls
    try:
        checked: T = _adapter(kind).validate_python(values, extra="forbid")
        return checked
    except ValidationError as error:
        raise ConfigError(_explain(cls, error)) from error


def with_overrides(config: T, **overrides: Any) -> T:
    """A copy of `config` with some fields replaced, checked like a loaded one.

    Raises:
        ConfigError: As `load_config`.
    """
    if not overrides:
        return config
    values = {item.name: getattr(config, item.name) for item in fields(config)}  # type: ignore[arg-type]
    return load_config(type(config), values, **overrides)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the configuration {str(path)!r}: {error}") from error


@functools.cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


@functools.cache
def _field_adapters(cls: type) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(cls, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in hints}


def _check_types(config: object) -> None:
    """Check and convert every field of a frozen dataclass in place; direct construction is checked too."""
    cls: Any = type(config)
    for name, adapter in _field_adapters(cls).items():
        try:
            value = adapter.validate_python(getattr(config, name), extra="forbid")
        except ValidationError as error:
            raise ConfigError(_explain(cls, error, name)) from error
        object.__setattr__(config, name, value)


def _explain(cls: type, error: ValidationError, *prefix: str) -> str:
    """One sentence per mistake: the key's path, the value, what was expected."""
    return "; ".join(_explain_one(cls, details, (*prefix, *details["loc"])) for details in error.errors())


def _explain_one(cls: type, details: Any, path: tuple[int | str, ...]) -> str:
    context = details.get("ctx", {})
    key, value = ".".join(str(part) for part in path), details["input"]
    match details["type"]:
        case "unexpected_keyword_argument":
            return f"unknown key {key!r}: {nearest(str(path[-1]), _keys_at(cls, path[:-1]))}"
        case "value_error":
            return f"{key}: {context['error']}" if key else str(context["error"])
        case "union_tag_invalid":
            return f"{key}.kind = {context['tag']!r}: {_suggest(context['tag'], context['expected_tags'])}"
    return f"{key} = {value!r}: {_suggest(str(value), str(context.get('expected') or details['msg']))}"


def _suggest(value: str, wanted: str) -> str:
    options = [part for part in wanted.replace(" or ", ", ").split(", ") if part.startswith("'")]
    return nearest(value, [option.strip("'") for option in options]) if options else wanted


def _keys_at(cls: type, path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the dataclass that `path` leads to from `cls`."""
    candidates: list[type] = [cls]
    for part in path:
        hints = [get_type_hints(c, include_extras=True) for c in candidates]
        inside = [d for hint in hints if part in hint for d in _dataclasses_in(hint[str(part)])]
        tagged = [c for c in candidates if _default(c, "kind") == part]
        candidates = inside or tagged or candidates
    return sorted({item.name for candidate in candidates for item in fields(candidate)})


def _default(cls: type, name: str) -> Any:
    return next((item.default for item in fields(cls) if item.name == name), None)


def _dataclasses_in(hint: Any) -> list[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [found for inner in get_args(hint) for found in _dataclasses_in(inner)]
