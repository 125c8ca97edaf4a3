"""Prompts by mode: which of the prompt variants an evaluation uses with which tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.result import MODES, Mode
from deepeyes_env.config import EnvConfig, Tool
from deepeyes_env.errors import ConfigError, nearest

Variant = Literal["full", "code_only", "search_only", "direct", "minimal"]
"""A prompt variant (`deepeyes_env.prompts`)."""

TOOLS: dict[Mode, frozenset[Tool]] = {
    "all": frozenset({"code", "search", "image_search"}),
    "code": frozenset({"code"}),
    "search": frozenset({"search", "image_search"}),
    "off": frozenset(),
}
"""The tools that answer in each mode; a call to another one is told so and the episode goes on."""

_BY_MODE: dict[Mode, Variant] = {
    "all": "full",
    "code": "code_only",
    "search": "search_only",
    "off": "direct",
}
"""The prompt that names the tools there are, and no others."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How prompts are chosen.

    Attributes:
        prompts: Mode -> variant; empty leaves it to the environment's file.
        think_prefill: Whether a model's turns after the first begin with a given `<think>`, as in training
            (reference 1.4). Chat APIs cannot be given one.
    """

    prompts: Mapping[Mode, Variant]
    think_prefill: bool = True


def _everywhere(variant: Variant) -> Preset:
    return Preset(dict.fromkeys(MODES, variant))


PRESETS: dict[str, Preset] = {
    "by_mode": Preset(_BY_MODE),
    # Reference 7: the released evaluation asks with the code-only prompt, and gives no `<think>`.
    "paper": Preset(_BY_MODE, think_prefill=False),
    "env": Preset({}),
    "full": _everywhere("full"),
    "code_only": _everywhere("code_only"),
    "search_only": _everywhere("search_only"),
    "direct": _everywhere("direct"),
    "minimal": _everywhere("minimal"),
}
"""The presets by name. `paper` is the released evaluation's: its prompt (code only) is the one of mode
`code`; `env` takes what `--env` says; the others are one variant in all modes."""


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"prompt = {name!r}: {nearest(name, PRESETS)}")
    return PRESETS[name]


def in_mode(config: EnvConfig, chosen: Preset, mode: Mode) -> EnvConfig:
    """The environment of a mode. It has no judge: answers are scored outside of it."""
    variant = chosen.prompts.get(mode, config.prompt)
    return replace(config, tools=TOOLS[mode], prompt=variant, judge=None)
