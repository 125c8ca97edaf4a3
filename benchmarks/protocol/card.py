"""A run's card: all that decides its results, and the versions of everything that took part."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.protocol.ask import Effort
from benchmarks.protocol.plan import Items, Plan, settings_of
from benchmarks.protocol.respondent import Respondent
from benchmarks.result import Mode
from benchmarks.run_folder import RunCard
from deepeyes_env.config import EnvConfig
from trainers.curation.keys import plain

PACKAGES = (
    "deepeyes-gym",
    "torch",
    "transformers",
    "vllm",
    "openai",
    "numpy",
    "scipy",
    "statsmodels",
    "pillow",
    "math-verify",
    "latex2sympy2_extended",
    "sympy",
    "pyarrow",
    "ddgs",
    "datasets",
    "tantivy",
)
"""Whoever has a hand in what is asked, answered or scored."""


def run_card(
    respondent: Respondent,
    suites: Sequence[Items],
    configs: Mapping[Mode, EnvConfig],
    plan: Plan,
    effort: Effort,
    judge: Mapping[str, str | float] | None,
    **more: Any,
) -> RunCard:
    """The card of an evaluation.

    Args:
        respondent: Who is asked.
        suites: What.
        configs: Mode -> the environment.
        plan: How often.
        effort: How episodes are run.
        judge: What is said of the judge, or None.
        **more: Further settings that decide results.
    """
    settings = {
        "respondent": respondent.settings,
        "env": {mode: settings_of(config) for mode, config in configs.items()},
        "limits": effort.limits,
        "plan": plan,
        **more,
    }
    return RunCard(
        policy=respondent.name,
        settings=plain(settings),
        suites={items.suite.card.name: {**items.describe(), "asked": plan.count(items)} for items in suites},
        judge=judge,
        versions=dict(sorted(_versions())),
    )


def _versions() -> list[tuple[str, str]]:
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
