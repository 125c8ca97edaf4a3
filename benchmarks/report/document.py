"""The report as data: what the JSON holds, and what page and table are made from.

`report.json` is a `Report`, field by field, with numbers to six decimals and sorted keys. The same results
give the same bytes, but for `spent`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.published import Figure, known_suites, published_for
from benchmarks.published.beside import AVAILABLE, Measured, figure_differs, protocol_differs
from benchmarks.report.accuracy import Accuracy, accuracy, by_category, by_skill
from benchmarks.report.agreement import Agreement, agreement
from benchmarks.report.behaviour import Behaviour, behaviour
from benchmarks.report.caveats import caveats
from benchmarks.report.draws import by_draw
from benchmarks.report.official import HEADLINES, Figures, read_official
from benchmarks.report.refusals import Refusals, refusals
from benchmarks.report.settings import greedy, judge_model
from benchmarks.report.tool_effect import ToolEffect, tool_effects
from benchmarks.report.twins import Twins, twins
from benchmarks.result import MODES, Mode, Result
from benchmarks.run_folder import Run
from benchmarks.statistics.bootstrap import cluster_bootstrap
from benchmarks.statistics.clusters import Clusters, by_cluster
from benchmarks.statistics.estimate import Estimate
from benchmarks.statistics.unpaired import Unpaired, two_proportions

FORMAT = 1
"""Version of the JSON."""


SCORES = {"wemath": HEADLINES["wemath"]}
"""Suites whose published figure is a score of its own, and its name among our official figures. We-Math has a
strict and a loose one, and papers rarely say which; the lower is taken."""


JUDGED = ("fvqa", "infoseek", "mmsearch")
"""Suites whose published figures are a judge's verdicts although their own metric is a rule (the traps on
their cards): what stands beside them is our verdict."""


@dataclass(frozen=True, slots=True)
class ModeReport:
    """One suite in one mode.

    Attributes:
        mode: Which tools answered.
        items: Number of items that were asked.
        accuracy: How many answers are right.
        official_figures: The suite's own figures by name, where `deepeyes eval` has written them.
        behaviour: What the policy did.
        judge: What decided, and how far judge and rules agree.
        refusals: None where there is nothing to refuse.
        twins: None where there are none.
    """

    mode: Mode
    items: int
    accuracy: Accuracy
    official_figures: Mapping[str, float]
    behaviour: Behaviour
    judge: Agreement
    refusals: Refusals | None
    twins: Twins | None


@dataclass(frozen=True, slots=True)
class Beside:
    """A published figure beside the run's own of the mode that is closest to it in tools.

    Attributes:
        figure: The published one.
        mode: The mode that it is compared with.
        ours: Our figure there, or None without a verdict.
        metric: What that is: `official`, `strict` or, where the suite's own metric asks a judge, `ours`.
        less: Ours less the published, as of different items, where a cluster counts as one on either side;
            None where their number is unknown.
        differs: Where items or tools differ.
        protocol: Where the protocol of the whole table differs or is unstated.
    """

    figure: Figure
    mode: Mode
    ours: float | None
    metric: str
    less: Unpaired | None
    differs: tuple[str, ...]
    protocol: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """One suite.

    Attributes:
        name: On the command line.
        about: Title, revision, number of items, size of the public release, licence, ...
        modes: Its modes, all tools first.
        tools: Gain and harm of each mode with tools; empty where tools were never off.
        published: What others report.
    """

    name: str
    about: Mapping[str, Any]
    modes: tuple[ModeReport, ...]
    tools: tuple[ToolEffect, ...]
    published: tuple[Beside, ...]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the suites' accuracies, each counting the same.

    Attributes:
        suites: Number of suites.
        value: The mean.
        low: Lower end of the bootstrap's interval over clusters within suites; None if it has none.
        high: Upper end.
    """

    suites: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation.

    Attributes:
        policy: Who was asked.
        caveats: What must be known before quoting a figure.
        suites: The suites in the order in which they were asked for.
        means: Mode -> mean over the suites, where there are several.
        settings: All that decided results.
        judge: Model, address, sampling and prompt of the judge, or None for rules alone.
        versions: Of everything that took part.
        spent: Seconds and money; all that differs between runs with the same results.
        format: Version of this form.
    """

    policy: str
    caveats: tuple[str, ...]
    suites: tuple[SuiteReport, ...]
    means: Mapping[str, Mean]
    settings: Mapping[str, Any]
    judge: Mapping[str, str | float] | None
    versions: Mapping[str, str]
    spent: Mapping[str, float]
    format: int = FORMAT


def report_of(run: Run) -> Report:
    """Everything that is reported of an evaluation, finished or not."""
    figures, effects = read_official(run.path), tool_effects(run.results)
    return Report(
        policy=run.card.policy,
        caveats=caveats(run),
        suites=tuple(_suite(run, name, figures, effects.get(name, ())) for name in run.card.suites),
        means=_means(run.results),
        settings=run.card.settings,
        judge=run.card.judge,
        versions=run.card.versions,
        spent=run.spent,
    )


def to_json(report: Report) -> str:
    """The report as text."""
    return json.dumps(rounded(asdict(report)), indent=2, sort_keys=True, allow_nan=False) + "\n"


def _suite(run: Run, name: str, figures: Figures, effects: tuple[ToolEffect, ...]) -> SuiteReport:
    results = [one for one in run.results if one.suite == name]
    modes = tuple(
        _mode(mode, some, figures.get(name, {}).get(mode, {}))
        for mode in MODES
        if (some := [one for one in results if one.mode == mode])
    )
    return SuiteReport(name, run.card.suites[name], modes, effects, _published(run, name, modes))


def _mode(mode: Mode, results: Sequence[Result], figures: Mapping[str, float]) -> ModeReport:
    return ModeReport(
        mode,
        len({one.item for one in results}),
        accuracy(results),
        figures,
        behaviour(results),
        agreement(results),
        refusals(results),
        twins(results),
    )


def _published(run: Run, name: str, modes: Sequence[ModeReport]) -> tuple[Beside, ...]:
    """The published figures of a suite, of all items and of the skills and categories that we have too."""
    if name not in known_suites() or not modes:
        return ()
    found = []
    for figure in published_for(name):
        mode = _closest(figure, modes)
        groups = mode.accuracy.by_skill | mode.accuracy.by_category
        ours, metric = (groups.get(figure.subset), "ours") if figure.subset else _counterpart(name, mode)
        if figure.share is not None and ours is not None:
            prompt = str(run.card.settings.get("prompt", ""))
            items = _items(run, name, mode.mode, figure.subset)
            measured = Measured(mode.mode, items, judge_model(run.card), prompt, greedy(run.card))
            found.append(
                Beside(
                    figure,
                    mode.mode,
                    ours.value,
                    metric,
                    _less(ours, items, figure),
                    figure_differs(figure, measured),
                    protocol_differs(figure.protocol, measured),
                )
            )
    return tuple(found)


def _counterpart(suite: str, mode: ModeReport) -> tuple[Estimate, str]:
    """What of ours is nearest to a published figure of all items: the suite's own metric where it is whole.

    We-Math's is a score over problems, of whose items it is no mean; it has no interval here.
    """
    accuracy = mode.accuracy
    if suite in SCORES:
        value = mode.official_figures.get(SCORES[suite])
        return Estimate(value, 0.0, 1.0, 0, 0, "cluster"), SCORES[suite]
    whole = suite not in JUDGED and accuracy.official.n == accuracy.ours.n
    return (accuracy.official, "official") if whole else (accuracy.ours, "ours")


def _less(ours: Estimate, items: int, figure: Figure) -> Unpaired | None:
    """Ours less theirs; their items hang together as ours do, so as many of them are one case."""
    if ours.value is None or not ours.clusters or figure.items is None or figure.share is None:
        return None
    theirs = figure.items * min(1.0, ours.clusters / items)
    return two_proportions(ours.value, ours.clusters, figure.share, theirs)


def _closest(figure: Figure, modes: Sequence[ModeReport]) -> ModeReport:
    """The mode with the most of the figure's tools and the fewest others; the first of equals."""
    return min(modes, key=lambda one: len(set(figure.tools) ^ set(AVAILABLE[one.mode])))


def _items(run: Run, name: str, mode: Mode, subset: str) -> int:
    asked = [one for one in run.results if one.suite == name and one.mode == mode]
    if not subset:
        return len({one.item for one in asked})
    return len({one.item for one in (by_skill(asked) | by_category(asked)).get(subset, [])})


def _means(results: Sequence[Result]) -> dict[str, Mean]:
    found: dict[str, Mean] = {}
    for mode in MODES:
        scored = [one for one in results if one.mode == mode and one.correct is not None]
        suites = [
            _right(some)
            for name in dict.fromkeys(one.suite for one in scored)
            if (some := [one for one in scored if one.suite == name])
        ]
        if len(suites) > 1:
            low, high = cluster_bootstrap(suites) or (None, None)
            mean = sum(suite.mean for suite in suites) / len(suites)
            found[mode] = Mean(len(suites), mean, low, high)
    return found


def _right(scored: Sequence[Result]) -> Clusters:
    draws = by_draw((one, one.correct) for one in scored)
    return by_cluster([score or 0.0 for score, _ in draws], [cluster for _, cluster in draws])


def rounded(value: Any) -> Any:
    """Numbers to six decimals: what is beyond is rounding, and differs between machines."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {str(key): rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value
