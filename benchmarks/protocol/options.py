"""The options of `deepeyes eval`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, cast

import tyro

from agents.actor import PolicyOptions, require_at_least
from benchmarks.protocol.presets import preset
from benchmarks.result import MODES, Mode
from benchmarks.scoring.option_order import OptionOrder
from benchmarks.suites import SUITES
from deepeyes_env.config import EnvConfig, JudgeConfig, load_config
from deepeyes_env.errors import ConfigError, nearest, require

GUESSER = "guesser"
"""Name of the policy that sees no picture: `deepeyes_env.tasks_command.guesser`."""


@dataclass(frozen=True, kw_only=True)
class EvalOptions(PolicyOptions):
    """Measure a policy on benchmarks, with its tools on and off.

    Parts, with a `--help` of their own: `deepeyes eval report`, `compare`, `export` and `judge-check`.

    The same command goes on where it was interrupted. `--policy` may also be `guesser`, which knows a suite's
    other questions with their answers and sees no picture: the level of chance.

    Attributes:
        policy: A Qwen2.5-VL checkpoint (directory or hub id), the model's name at an API, `oracle` for the
            task families' own scripts, or `guesser`.
        copy: A copy of a suite on this machine, as `name=path`, once for each; the others are loaded from
            the hub.
        modes: Which tools answer, separated by commas: `all`, `code`, `search` (both searches), `off`.
        seeds: Seeds, separated by commas; every item is asked with each of them.
        samples: How often every item is asked with each seed.
        n: At most so many items of every suite; default: all.
        prompt: Preset of prompts: `by_mode`, the prompt that names the mode's tools; `paper`, the same as in
            the released evaluation (no given `<think>`); `env`, the environment's; or one for all modes:
            `full`, `code_only`, `search_only`, `direct`, `minimal`.
        option_order: Multiple choice: the release's order, one that is drawn for each item and seed, or all
            cyclic orders, each asked.
        judge: Address of an OpenAI-compatible judge, up to and including `/v1`, asked where rules are not
            sure; default: what `env` says.
        judge_model: The judge's name there.
        judge_sample: Share of what rules have decided that the judge is asked about too, from 0 to 1.
        out: Folder of the run; default: runs/eval/POLICY.
        cache: A folder of other runs, such as runs/eval: an episode that one of them has asked with all the
            same settings and the same versions of everything is taken over.
    """

    policy: Annotated[str, tyro.conf.arg(aliases=["--model"])]
    suite: Annotated[
        str, tyro.conf.arg(help=f"Suites, separated by commas (docs/benchmarks.md): {', '.join(SUITES)}.")
    ] = "worldbench-small"
    copy: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    modes: str = ",".join(MODES)
    seeds: str = "0"
    samples: int = 1
    n: int | None = None
    temperature: float = 0.0
    prompt: str = "by_mode"
    option_order: OptionOrder = "release"
    judge: str | None = None
    judge_model: str | None = None
    judge_sample: float = 0.0
    out: Path | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, {"samples": 1} | ({} if self.n is None else {"n": 1}))
        share = self.judge_sample
        require(0 <= share <= 1, "judge_sample", share, "from 0 to 1")
        preset(self.prompt)
        for parsed in (self.suite_names, self.mode_names, self.seed_numbers):
            require(bool(parsed), "suite, modes and seeds", "", "at least one of each")
        unknown = self.copies.keys() - set(self.suite_names)
        if unknown:
            name = min(unknown)
            raise ConfigError(f"copy = {name!r}: not one of the suites; {nearest(name, self.suite_names)}")

    @property
    def suite_names(self) -> tuple[str, ...]:
        """The suites, each once."""
        return _parts(self.suite)

    @property
    def mode_names(self) -> tuple[Mode, ...]:
        """The modes.

        Raises:
            ConfigError: There is no such mode.
        """
        for name in _parts(self.modes):
            if name not in MODES:
                raise ConfigError(f"modes = {name!r}: {nearest(name, MODES)}")
        return cast(tuple[Mode, ...], _parts(self.modes))

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds.

        Raises:
            ConfigError: One is no whole number from 0.
        """
        for text in _parts(self.seeds):
            if not text.isdecimal():
                raise ConfigError(f"seeds = {text!r}: must be whole numbers from 0, such as 0,1,2")
        return tuple(dict.fromkeys(map(int, _parts(self.seeds))))

    @property
    def copies(self) -> Mapping[str, Path]:
        """Suite -> the user's copy.

        Raises:
            ConfigError: A copy is not `name=path`, or a suite has two.
        """
        pairs = [one.partition("=") for one in self.copy]
        for name, equals, path in pairs:
            if not (name and equals and path):
                raise ConfigError(f"copy = {name!r}: must be name=path, such as vstar=data/VStarBench.tsv")
        paths = {name: Path(path) for name, _, path in pairs}
        if len(paths) < len(pairs):
            raise ConfigError(f"copy = {', '.join(self.copy)}: a suite has one copy")
        return paths

    @property
    def env_config(self) -> EnvConfig:
        """The environment's settings; of its task source nothing counts.

        Raises:
            ConfigError: The file cannot be used.
        """
        return load_config(EnvConfig, self.env)

    @property
    def judge_config(self) -> JudgeConfig | None:
        """The judge, or None for rules alone.

        Raises:
            ConfigError: The address cannot be used, or there is a model, or a sample for it, and no judge.
        """
        config = self.env_config.judge
        if self.judge is not None:
            config = JudgeConfig(self.judge) if config is None else replace(config, base_url=self.judge)
        if config is None:
            if self.judge_model is not None or self.judge_sample:
                raise ConfigError("judge: there is none; give its address by --judge")
            return None
        return config if self.judge_model is None else replace(config, model=self.judge_model)

    @property
    def folder(self) -> Path:
        """Where the run is written."""
        return self.out or Path("runs/eval") / (Path(self.policy).name or self.policy)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
