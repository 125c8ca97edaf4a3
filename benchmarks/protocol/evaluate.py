"""One evaluation from its options to its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from benchmarks.protocol.ask import Effort, Evaluation, Scoring
from benchmarks.protocol.cache import open_cache
from benchmarks.protocol.card import run_card
from benchmarks.protocol.folder import earlier_card, open_folder
from benchmarks.protocol.official import Figures, official_figures, write_official
from benchmarks.protocol.options import EvalOptions
from benchmarks.protocol.plan import Items, Plan
from benchmarks.protocol.presets import in_mode, preset
from benchmarks.protocol.progress import live_bars
from benchmarks.protocol.respondent import Respondent, open_respondent
from benchmarks.protocol.revisions import keep_commits, kept_commit
from benchmarks.result import Mode, Result
from benchmarks.run_folder import RunCard
from benchmarks.scoring.judging import RememberingJudge, describe_judge, open_judge
from benchmarks.suites import open_suite
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError

Open = Callable[[EvalOptions, Sequence[Items]], AbstractContextManager[Respondent]]
"""Opens who is asked."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an evaluation gave.

    Attributes:
        results: Of every draw.
        official: The suites' own figures.
        failures: Why the infrastructure failed, where it did.
    """

    results: Sequence[Result]
    official: Figures
    failures: Sequence[str]


def evaluate(options: EvalOptions, console: Console, respondent: Open = open_respondent) -> Evaluated:
    """Ask what `options` say and is not answered yet.

    Args:
        options: What to ask whom.
        console: Where progress is shown.
        respondent: Opens who is asked; default: the policy of the options.

    Raises:
        ConfigError: An option cannot be used, or the folder holds a run of other settings.
        DatasetError: A suite cannot be opened or read.
        ModelError: The policy is no Qwen2.5-VL.
        StoreError: Another process writes the folder.
    """
    chosen, config = preset(options.prompt), options.env_config
    suites = open_suites(options)
    for sentence in keep_commits(suites):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    plan = Plan(options.mode_names, options.seed_numbers, options.samples, options.option_order, options.n)
    configs = {mode: in_mode(config, chosen, mode) for mode in plan.modes}
    for items in suites:
        _require_pages(items, configs)
    effort = Effort(options.limits, options.num_envs, options.infra_retries)
    judge = options.judge_config
    about_judge = None if judge is None else describe_judge(judge)
    say = partial(console.print, style="yellow", markup=False)
    began = time.monotonic()
    with _judge(options) as asked, respondent(options, suites) as who:
        more = {"prompt": options.prompt, "judge_sample": options.judge_sample}
        card = run_card(who, suites, configs, plan, effort, about_judge, **more)
        scoring = Scoring(asked, options.judge_sample)
        results: list[Result] = []
        with (
            open_folder(options.folder, card) as folder,
            open_cache(options.cache, options.folder, card.versions, say) as cache,
        ):
            evaluation = Evaluation(who, suites, configs, plan, effort, scoring, cache)
            try:
                with live_bars(suites, plan, console) as show:

                    def note(result: Result) -> None:
                        results.append(result)
                        show(result)

                    failures = evaluation.ask(folder, note)
                folder.finish(results)
            finally:
                taken = {"episodes_taken_over": cache.taken} if cache.taken else {}
                judged = {} if asked is None else {"judge_requests": asked.asked}
                bill = {**who.spent(), **evaluation.spent, **judged, **taken}
                folder.add_spent({"seconds": time.monotonic() - began, **bill})
            figures = official_figures(suites, plan, results)
            write_official(options.folder, figures)
    return Evaluated(results, figures, failures)


def open_suites(options: EvalOptions) -> list[Items]:
    """The suites: the user's copies, else the hub's.

    A run that goes on gets the revision that it had, a new one what earlier runs have kept
    (`benchmarks.protocol.revisions`).

    Raises:
        ConfigError: There is no such suite, or a library is missing.
        DatasetError: Rows cannot be opened, or the folder holds something else than a run.
    """
    earlier = earlier_card(options.folder)
    return [
        open_suite(name, options.copies.get(name), _revision(earlier, name, options))
        for name in options.suite_names
    ]


def _require_pages(items: Items, configs: Mapping[Mode, EnvConfig]) -> None:
    """Refuse to measure searches that would all be told that there is no search.

    Raises:
        ConfigError: A mode searches, and there is nothing to search in.
    """
    searching = [mode for mode, config in configs.items() if "search" in config.tools]
    if items.search_engine() is None and any(configs[mode].search is None for mode in searching):
        raise ConfigError(
            f"suite {items.suite.card.name!r} brings no pages to search in: set [search] in --env, or leave "
            f"the modes {', '.join(searching)} out (--modes code,off)"
        )


def _revision(earlier: RunCard | None, name: str, options: EvalOptions) -> str | None:
    if name in options.copies:
        return None
    about: Mapping[str, str | None] = {} if earlier is None else earlier.suites.get(name, {})
    return about.get("revision") or kept_commit(name)


@contextmanager
def _judge(options: EvalOptions) -> Iterator[RememberingJudge | None]:
    config = options.judge_config
    if config is None:
        yield None
        return
    judge = open_judge(config)
    try:
        yield judge
    finally:
        judge.close()
