"""The report's tables as text cells; page, Markdown and terminal show the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.published import Figure, published_for
from benchmarks.report.document import Beside, ModeReport, Report, SuiteReport
from benchmarks.report.official import headline, of_scored
from benchmarks.report.tool_effect import ToolEffect
from benchmarks.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: Above it.
        columns: Names of its columns.
        rows: Its cells.
        note: Below it: what the columns mean.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def main_table(report: Report) -> Table:
    """Accuracy by suite and mode: the table for a paper."""
    rows: list[tuple[str, ...]] = [
        (
            _title(suite),
            mode.mode,
            _counted(mode),
            str(mode.accuracy.ours),
            _official(suite, mode),
            *_effect(suite, mode.mode),
        )
        for suite in report.suites
        for mode in suite.modes
    ]
    for mode, mean in report.means.items():
        interval = "" if mean.low is None else f" [{100 * mean.low:.1f}, {100 * (mean.high or 0):.1f}]"
        rows.append(
            (f"mean of {mean.suites}", mode, "", f"{100 * mean.value:.1f}{interval}", "", "", "", "", "", "")
        )
    return Table(
        "Accuracy",
        ("suite", "tools", "n", "accuracy", "official", "gain", "harm", "net", "p", "Holm"),
        tuple(rows),
        "Accuracy in percent with its 95 % interval (Wilson's, widened for clusters such as the cycles of a "
        "question). n: scored draws, in brackets all of them if some have no verdict; official: the suite's "
        "own metric, in brackets how many of them it could score without a judge. gain, harm: draws "
        "right only with, only without tools; net: their difference in points with a cluster bootstrap's "
        "interval; p: exact McNemar test, or a permutation of clusters (*); Holm: after correction over all "
        "suites and modes of this table.",
    )


def group_table(suite: SuiteReport) -> Table:
    """Accuracy by skill and category."""
    groups = {
        (kind, name): None
        for mode in suite.modes
        for kind, some in (("skill", mode.accuracy.by_skill), ("category", mode.accuracy.by_category))
        for name in some
    }
    rows = []
    for kind, name in groups:
        found = [
            (mode.accuracy.by_skill if kind == "skill" else mode.accuracy.by_category).get(name)
            for mode in suite.modes
        ]
        count = next(one.n for one in found if one is not None)
        rows.append((kind, name, str(count), *("–" if one is None else str(one) for one in found)))
    columns = ("by", "group", "n", *(f"tools {mode.mode}" for mode in suite.modes))
    return Table("By skill and category", columns, tuple(rows), "An item counts for every skill it needs.")


def behaviour_table(suite: SuiteReport) -> Table:
    """Calls, errors, turns, tokens: a column per mode."""
    rows: list[tuple[str, ...]] = [
        _across(suite, "draws", lambda one: str(one.behaviour.draws)),
        _across(suite, "infrastructure failed", lambda one: str(one.behaviour.infra_failed)),
        _across(suite, "judge failed", lambda one: str(one.behaviour.judge_failed)),
        _across(
            suite,
            "ended",
            lambda one: ", ".join(f"{name} {count}" for name, count in one.behaviour.outcomes.items()),
        ),
        _across(suite, "called a tool", lambda one: _percent(one.behaviour.with_tool)),
        *_calls(suite),
        _across(suite, "calls to tools that are off", lambda one: one.behaviour.refused_calls.to_text(2)),
        _across(suite, "cells in error", lambda one: str(one.behaviour.code_errors)),
        _across(suite, "placeholder cells", lambda one: str(one.behaviour.placeholders)),
        _across(suite, "searches without a hit", lambda one: str(one.behaviour.search_misses)),
        _across(suite, "truncated", lambda one: str(one.behaviour.truncated)),
        _across(suite, "turns a draw", lambda one: one.behaviour.turns.to_text(2)),
        _across(suite, "images a draw", lambda one: one.behaviour.images.to_text(2)),
        _across(suite, "tokens read a draw", lambda one: one.behaviour.prompt_tokens.to_text(0)),
        _across(suite, "tokens sampled a draw", lambda one: one.behaviour.sampled_tokens.to_text(0)),
        *_repeated(suite),
        *_refusals(suite),
        *_twins(suite),
        *_judge(suite),
        *_figures(suite),
    ]
    return Table(
        "What happened",
        ("", *(f"tools {mode.mode}" for mode in suite.modes)),
        tuple(rows),
        "Per draw whose infrastructure held. Draws without a verdict count nowhere as wrong. In brackets: "
        "95 % intervals over items, for calls of one item are alike; a mean has none where nothing varies.",
    )


def effect_table(suite: SuiteReport) -> Table:
    """Tool gain and harm in full."""
    rows = tuple(
        (
            one.mode,
            str(one.net.pairs),
            str(one.both_right),
            str(one.gain),
            str(one.harm),
            str(one.both_wrong),
            _net(one),
            _p(one),
            f"{one.p_holm:.2g}",
            "none" if one.net.detectable is None else f"{100 * one.net.detectable:.1f}",
            str(one.solved_without),
        )
        for one in suite.tools
    )
    return Table(
        "Tool gain and harm",
        (
            "tools",
            "pairs",
            "both right",
            "gain",
            "harm",
            "both wrong",
            "net",
            "p",
            "Holm",
            "detectable",
            "solved without",
        ),
        rows,
        "The same draws with these tools and with none. Holm: p after correction over all suites and modes "
        "of the report. detectable: the smallest difference in points that 80 % of such comparisons would "
        "find. solved without: of what is right with tools, what is right without them; "
        f"{_published_overlap()}.",
    )


def _published_overlap() -> str:
    """What others report of it, on items and settings of their own."""
    return "; ".join(
        f"{one.model}: {printed(one)} % in {one.source}, on other items"
        for one in published_for("tool_overlap")
    )


def published_table(suite: SuiteReport, *, subsets: bool = True) -> Table:
    """Published figures beside ours, with where the protocol differs."""
    rows = tuple(
        (
            one.figure.model,
            ", ".join(one.figure.tools) or "none",
            one.figure.subset or "all",
            printed(one.figure),
            "–" if one.ours is None else f"{100 * one.ours:.1f} ({one.metric}, tools {one.mode})",
            _less(one),
            one.figure.table,
            "; ".join([*one.differs, *([f"note: {one.figure.note}"] if one.figure.note else [])]),
        )
        for one in suite.published
        if subsets or not one.figure.subset
    )
    columns = ("model", "tools", "of", "published", "here", "difference", "table", "differs")
    return Table("Published beside this run", columns, rows, _protocols(suite))


def _protocols(suite: SuiteReport) -> str:
    """What differs for whole tables, once for each of them."""
    tables = {one.figure.table: one for one in suite.published}
    said = [
        f"{name} ({one.figure.source}): {', '.join(one.protocol)}, items there: {one.figure.protocol.split}."
        for name, one in tables.items()
    ]
    return " ".join(
        [
            "Protocols differ: no row is a fair comparison. difference: here less published, in points, as "
            "of different items.",
            *said,
        ]
    )


def _less(beside: Beside) -> str:
    less = beside.less
    if less is None:
        return "–"
    return f"{100 * less.difference:+.1f} [{100 * less.low:+.1f}, {100 * less.high:+.1f}]"


def printed(figure: Figure) -> str:
    """The number as it was printed."""
    return f"{figure.value:.0f}/1000" if figure.unit == "of 1000" else f"{figure.value:.1f}"


def _title(suite: SuiteReport) -> str:
    return str(suite.about.get("title", suite.name))


def _counted(mode: ModeReport) -> str:
    scored, draws = mode.accuracy.ours.n, mode.behaviour.draws
    return f"{scored} ({draws})" if scored < draws else str(scored)


def _official(suite: SuiteReport, mode: ModeReport) -> str:
    accuracy = mode.accuracy
    shown = headline(suite.name, mode.official_figures) or str(accuracy.official)
    return of_scored(shown, accuracy.official.n, accuracy.ours.n)


def _effect(suite: SuiteReport, mode: str) -> tuple[str, ...]:
    for one in suite.tools:
        if one.mode == mode:
            return str(one.gain), str(one.harm), _net(one), _p(one), f"{one.p_holm:.2g}"
    return ("",) * 5


def _net(effect: ToolEffect) -> str:
    net = effect.net
    return f"{100 * net.difference:+.1f} [{100 * net.low:+.1f}, {100 * net.high:+.1f}]"


def _p(effect: ToolEffect) -> str:
    return f"{effect.net.p_value:.2g}{'*' if effect.net.test == 'permutation' else ''}"


def _across(suite: SuiteReport, name: str, cell: Callable[[ModeReport], str]) -> tuple[str, ...]:
    return (name, *map(cell, suite.modes))


def _percent(share: Estimate) -> str:
    return str(share) if share.value is None else f"{share} %"


def _per(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


Rows = Sequence[tuple[str, ...]]


def _calls(suite: SuiteReport) -> Rows:
    kinds = sorted({kind for mode in suite.modes for kind in mode.behaviour.calls})
    return [
        (
            f"{kind} calls a draw",
            *(
                mode.behaviour.calls[kind].to_text(2) if kind in mode.behaviour.calls else "0.00"
                for mode in suite.modes
            ),
        )
        for kind in kinds
    ]


def _repeated(suite: SuiteReport) -> Rows:
    if all(mode.accuracy.repeats is None for mode in suite.modes):
        return ()

    def cell(name: str) -> tuple[str, ...]:
        found = [mode.accuracy.repeats for mode in suite.modes]
        return tuple("–" if one is None else _percent(getattr(one, name)) for one in found)

    draws = [mode.accuracy.repeats for mode in suite.modes]
    k = max(one.draws for one in draws if one is not None)
    seeds = tuple(
        "–" if one is None else ", ".join(f"{seed}: {share}" for seed, share in one.by_seed.items())
        for one in draws
    )
    return (
        ("pass@1", *cell("pass_1")),
        (f"pass@{k}", *cell("pass_at_k")),
        (f"pass^{k}", *cell("pass_all_k")),
        ("two draws agree", *cell("consistency")),
        ("accuracy by seed", *seeds),
    )


def _refusals(suite: SuiteReport) -> Rows:
    found = [mode.refusals for mode in suite.modes]
    if not any(found):
        return ()
    return (
        ("refused", *("–" if one is None else str(one.refused) for one in found)),
        ("refusal precision", *("–" if one is None else _percent(one.precision) for one in found)),
        ("refusal recall", *("–" if one is None else _percent(one.recall) for one in found)),
        ("refused though answerable", *("–" if one is None else _percent(one.false_alarms) for one in found)),
    )


def _twins(suite: SuiteReport) -> Rows:
    found = [mode.twins for mode in suite.modes]
    if not any(found):
        return ()
    return (
        ("twins both right", *("–" if one is None else _percent(one.both_right) for one in found)),
        ("twins one right", *("–" if one is None else _percent(one.one_right) for one in found)),
        ("twins answered alike", *("–" if one is None else _percent(one.unchanged) for one in found)),
    )


def _judge(suite: SuiteReport) -> Rows:
    found = [mode.judge for mode in suite.modes]
    decided = tuple(", ".join(f"{rule} {count}" for rule, count in one.decided.items()) for one in found)
    rows = [("decided by", *decided)]
    if any(one.agreement.n for one in found):
        rows += [
            ("judge agrees with rules", *(_percent(one.agreement) for one in found)),
            ("right by rules / judge only", *(f"{one.only_rules} / {one.only_judge}" for one in found)),
            ("Cohen's kappa", *(_per(one.kappa) for one in found)),
        ]
    return rows


def _figures(suite: SuiteReport) -> Rows:
    names = dict.fromkeys(name for mode in suite.modes for name in mode.official_figures)
    return [
        (f"official: {name}", *(_per(mode.official_figures.get(name), 4) for mode in suite.modes))
        for name in names
    ]
