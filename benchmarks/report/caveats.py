"""What a reader must know before quoting a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.published import known_suites, published_for
from benchmarks.report.settings import greedy
from benchmarks.result import Result
from benchmarks.run_folder import Run

FEWEST_SEEDS = 3
"""Of sampled decoding (search-and-benchmarks D, after Miller 2024)."""


def caveats(run: Run) -> tuple[str, ...]:
    """Sentences, suite by suite, then about the whole run."""
    found = []
    for name, about in run.card.suites.items():
        results = [one for one in run.results if one.suite == name]
        said = [*_of_suite(name, about, results), *_unfinished(run.card.settings.get("plan", {}), results)]
        found += [f"{about.get('title', name)}: {sentence}" for sentence in said]
    found += _of_run(run)
    return tuple(found)


def _of_suite(name: str, about: Mapping[str, Any], results: Sequence[Result]) -> Iterator[str]:
    yield from about.get("warnings", ())
    items, size = about.get("items"), about.get("size")
    asked = len({one.item for one in results})
    if items is not None and size is not None and items != size:
        yield f"this copy has {items} items, the public release {size}."
    wanted = about.get("asked", items)
    if items is not None and wanted is not None and wanted != items:
        yield f"a part was asked: {wanted} of {items} items."
    if wanted is not None and asked < wanted:
        yield f"unfinished: {asked} of {wanted} items have a result."
    by_mode = {mode: sum(one.mode == mode for one in results) for mode in {one.mode for one in results}}
    if len(set(by_mode.values())) > 1:
        told = ", ".join(f"{mode} {count}" for mode, count in sorted(by_mode.items()))
        yield f"the modes have different numbers of draws ({told}); what compares them uses the common ones."
    if not about.get("revision") and not about.get("source", {}).get("md5"):
        yield "the revision of the data is unknown."
    yield from _against_published(name, asked if items is None else items)
    unscored = sum(one.correct is None for one in results)
    if unscored:
        judge = sum(one.correct is None and one.judge_failed for one in results)
        yield (
            f"{unscored} draws have no verdict ({judge} for the judge, {unscored - judge} for the "
            "infrastructure); they are left out, not counted as wrong."
        )
    beside = sum(one.correct is not None and one.judge_failed for one in results)
    if beside:
        yield f"{beside} times the judge failed beside the rules; its agreement with them is over the others."


def _unfinished(plan: Mapping[str, Any], results: Sequence[Result]) -> Iterator[str]:
    for name, given in (("mode", {one.mode for one in results}), ("seed", {one.seed for one in results})):
        missing = [one for one in plan.get(f"{name}s", ()) if one not in given]
        if missing:
            yield f"unfinished: no result of {name} {', '.join(map(str, missing))}, which the run asks for."


def _against_published(name: str, items: int) -> Iterator[str]:
    """Says where published figures of all items have other items; RealX-Bench: 194 are public, 300 theirs."""
    if name not in known_suites():
        return
    others = {
        (one.source, one.items)
        for one in published_for(name)
        if not one.subset and one.items is not None and one.items != items
    }
    for source, theirs in sorted(others):
        yield f"{items} items here, {theirs} in {source}: not the same benchmark."


def _of_run(run: Run) -> Iterator[str]:
    seeds = {one.seed for one in run.results}
    if not greedy(run.card) and len(seeds) < FEWEST_SEEDS:
        yield f"Sampled with {len(seeds)} seed(s); a figure worth quoting needs {FEWEST_SEEDS}."
    mixed = sorted(name for name, version in run.card.versions.items() if "; " in version)
    if mixed:
        told = ", ".join(f"{name} {run.card.versions[name]}" for name in mixed)
        yield f"The run went on with other versions ({told}); its parts may differ by them."
    undecided = sum(one.rule == "none" and one.answer is not None for one in run.results)
    if run.card.judge is None and undecided:
        yield f"No judge: {undecided} answers that no rule decided count as wrong."
