"""lmms-eval's logs: `<date>_samples_<task>.jsonl`, one question a line, beside `<date>_results.json`.

Fields and folders are those of lmms-eval 0.7.3 (`evaluator.py`, `loggers/evaluation_tracker.py`, which
flattens what a question with one request has in lists). `doc_id` is the item's id in its release: a number
where that is one. lmms-eval's own runs count rows, so pair with them only where the release does too.

Two things are ours: `score`, the suite's official metric, which lmms-eval's paired comparison reads
(`baselines/loader.py`), and `deepeyes`, what the log has no field for. Questions without a score are left
out, because that loader would count them as wrong; so is a suite whose metric lacked its judge, because the
mean of what rules decide is none.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy.stats import sem

from agents.convert.json_files import write_lines
from agents.store import TrajectoryReader
from benchmarks.interchange.exported import UNJUDGED, UNSCORED, Exported, is_unjudged
from benchmarks.interchange.series import (
    all_series,
    conversation,
    facts,
    file_name,
    open_trajectories,
    release_id,
)
from benchmarks.result import Result
from benchmarks.run_folder import CARD, Run

METRIC = "score"


def write(run: Run, out: Path) -> Exported:
    """Write the logs, a folder for each mode and seed.

    Args:
        run: The evaluation.
        out: Folder of the folders.

    Raises:
        ConfigError: The run has no trajectories.
    """
    exported, date = Exported(), _date(run)
    results: dict[Path, dict[str, list[float]]] = {}
    with open_trajectories(run, pictures=False) as reader:
        for series in all_series(run):
            if any(map(is_unjudged, series.results)):
                exported.left_out[UNJUDGED] += len(series.results)
                continue
            folder = out / file_name(f"{run.card.policy}-{series.setting}")
            folder.mkdir(parents=True, exist_ok=True)
            lines = []
            for _, draws in groupby(series.results, key=lambda one: one.item):
                scored = [one for one in draws if one.official is not None or _skip(exported)]
                if scored:
                    lines.append(sample(scored, reader))
                    exported.samples += len(scored)
            file = folder / f"{date}_samples_{series.suite}.jsonl"
            write_lines(file, lines)
            results.setdefault(folder, {})[series.suite] = [line[METRIC] for line in lines]
    for folder, scores in results.items():
        file = folder / f"{date}_results.json"
        file.write_text(f"{json.dumps(aggregate(run, scores), indent=2)}\n", encoding="utf-8")
    return exported


def _skip(exported: Exported) -> bool:
    exported.left_out[UNSCORED] += 1
    return False


def sample(draws: Sequence[Result], reader: TrajectoryReader) -> dict[str, Any]:
    """One line.

    Args:
        draws: The scored draws of one item, at least one; several are lmms-eval's `repeats`.
        reader: Their conversations.
    """
    first = draws[0]
    told = [conversation(reader, one) for one in draws]
    known = next((one for one in told if one is not None), None)
    asked, target = (known.prompt, known.reference) if known else ("", "")
    answers = [one.answer or "" for one in draws]
    said = [one.turns[-1].text if one is not None and one.turns else "" for one in told]
    alone = len(draws) == 1
    identity = json.dumps([first.item, asked, target], ensure_ascii=False)
    return {
        "doc_id": _doc_id(release_id(first)),
        "target": target,
        "input": asked,
        "resps": said if alone else [[one] for one in said],
        "filtered_resps": answers[0] if alone else answers,
        "token_counts": [
            {"input_tokens": one.prompt_tokens, "output_tokens": one.sampled_tokens} for one in draws
        ],
        "doc_hash": hashlib.sha256(identity.encode()).hexdigest(),
        METRIC: fmean(one.official for one in draws if one.official is not None),
        "deepeyes": [dict(facts(one)) | {"correct": one.correct} for one in draws],
    }


def aggregate(run: Run, scores: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The file beside the samples.

    Args:
        run: The evaluation.
        scores: Suite -> the score of each of its questions.
    """
    return {
        "results": {suite: _result(suite, found) for suite, found in scores.items()},
        "configs": {suite: {"task": suite, **run.card.suites.get(suite, {})} for suite in scores},
        "n-samples": {
            suite: dict.fromkeys(("original", "effective"), len(found)) for suite, found in scores.items()
        },
        "config": {"model": run.card.policy, **run.card.settings},
        "model_name": run.card.policy,
        "model_name_sanitized": file_name(run.card.policy),
        "versions": dict(run.card.versions),
    }


def _result(suite: str, scores: Sequence[float]) -> dict[str, Any]:
    error = float(sem(scores)) if len(scores) > 1 else math.nan
    return {
        "alias": suite,
        f"{METRIC},none": fmean(scores) if scores else "N/A",
        f"{METRIC}_stderr,none": "N/A" if math.isnan(error) else error,
        "samples": len(scores),
    }


def _doc_id(name: str) -> int | str:
    return int(name) if name.isdecimal() and str(int(name)) == name else name


def _date(run: Run) -> str:
    """When the run was begun, in the form of lmms-eval's file names."""
    return datetime.fromtimestamp((run.path / CARD).stat().st_mtime, UTC).strftime("%Y%m%d_%H%M%S")
