"""An evaluation on disk: `run.json` says what was asked whom, `results.jsonl` what came of it.

RUN/run.json           settings, suites with their revisions, versions; written first
RUN/results.jsonl      one `Result` a line, in any order, appended as they come
RUN/spent.json         wall time and money; not part of what must be reproducible
RUN/trajectories/      `agents.store`
RUN/report.{json,html,md}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents.convert.json_files import read_json
from benchmarks.result import Result
from deepeyes_env.tasks.dataset_error import DatasetError

FORMAT = 2
"""Version of the layout."""

CARD, RESULTS, SPENT, TRAJECTORIES = "run.json", "results.jsonl", "spent.json", "trajectories"
OFFICIAL = "official.json"
"""Suite -> mode -> name of the figure -> value; written at the end of a run."""


@dataclass(frozen=True, slots=True)
class RunCard:
    """What an evaluation asked.

    Attributes:
        policy: Name of the policy.
        settings: All that decides results: sampling, environment, prompt, modes, seeds, samples, order of
            options.
        suites: Name -> title, revision, number of items, size of the public release.
        judge: Model, address (scheme and host), sampling, hashes of model and prompt; None for rules alone.
        versions: Name -> version of everything that took part.
        format: Version of the layout.
    """

    policy: str
    settings: Mapping[str, Any]
    suites: Mapping[str, Mapping[str, Any]]
    judge: Mapping[str, str | float] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Run:
    """An evaluation as it is read back.

    Attributes:
        path: Its folder.
        card: What was asked.
        results: What came of it, sorted by suite, item, mode, seed and sample.
        spent: Seconds and money by name; empty where nothing was noted.
    """

    path: Path
    card: RunCard
    results: tuple[Result, ...]
    spent: Mapping[str, float]


def read_run(path: Path | str) -> Run:
    """Read an evaluation, finished or not.

    Raises:
        DatasetError: The folder is none, or of another format.
    """
    root = Path(path)
    card = read_card(root)
    results = root / RESULTS
    # Of a draw that was asked again, after a failure or because its item changed, the last line counts.
    by_draw = {_draw(one): one for one in (_read(results) if results.exists() else ())}
    found = list(by_draw.values())
    found.sort(key=_draw)
    spent = read_json(root / SPENT) if (root / SPENT).exists() else {}
    return Run(root, card, tuple(found), spent)


def _read(path: Path) -> Iterator[Result]:
    """The results of a file; a last line without its end is of a run that was killed, or is being written."""
    for row, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
        try:
            yield Result.from_record(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise DatasetError(
                path, f"not a result ({error})", "run `deepeyes eval` again", row=row
            ) from error


def read_card(path: Path | str) -> RunCard:
    """Read what an evaluation asked.

    Raises:
        DatasetError: The folder is none, or of another format.
    """
    file = Path(path) / CARD
    if not file.is_file():
        raise DatasetError(Path(path), "holds no evaluation", "give the folder of a `deepeyes eval`")
    card = read_json(file)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise DatasetError(
            file, f"not an evaluation of format {FORMAT}", "another version wrote it: name another --out"
        )
    return RunCard(**card)


def _draw(result: Result) -> tuple[str, str, str, int, int]:
    return result.suite, result.item, result.mode, result.seed, result.sample


def write_card(path: Path, card: RunCard) -> None:
    """Write what will be asked."""
    path.mkdir(parents=True, exist_ok=True)
    unfinished = path / f"{CARD}.new"
    unfinished.write_text(json.dumps(asdict(card), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(unfinished, path / CARD)
