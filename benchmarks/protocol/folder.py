"""The folder of a run while it is written: opened anew or to go on, finished in one lasting order.

Trajectories are stored as they come, with the key of all that decided them (`plan.key_of`); results follow,
one line each. Nothing else has to be remembered: whoever goes on takes what has the wanted key, scores what
has no verdict yet, and asks for the rest. So a killed run loses at most the episodes that it was in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from agents.convert.json_files import read_json
from agents.store import TrajectoryReader, TrajectoryWriter
from agents.trajectory import Trajectory
from benchmarks.result import Result
from benchmarks.run_folder import (
    CARD,
    OFFICIAL,
    RESULTS,
    SPENT,
    TRAJECTORIES,
    RunCard,
    read_card,
    read_run,
    write_card,
)
from deepeyes_env.errors import ConfigError, make_folder
from deepeyes_env.outcome import Outcome

KEY = "key"
"""Under which name a trajectory's `versions` hold its key."""

FIRST = ("settings.plan.", "suites.")
"""Beginnings of the settings' names that are shown first: they are options of the command."""

SHOWN = 8
"""Differences between two runs that are named."""


@dataclass(slots=True)
class Folder:
    """An open run.

    Attributes:
        path: Its directory.
        known: Key -> number of the stored trajectory; those whose infrastructure failed are not known.
        results: Number of a trajectory -> its result, where there is a verdict.
    """

    path: Path
    known: dict[str, int]
    results: dict[int, Result]
    _writer: TrajectoryWriter
    _reader: TrajectoryReader
    _lines: TextIO
    _stored: int

    def keep(self, episode: Trajectory, key: str) -> int:
        """Store an episode.

        Args:
            episode: The episode.
            key: Names all that decided it.

        Returns:
            Its number.
        """
        self._writer.append(replace(episode, versions={**episode.versions, KEY: key}))
        self._stored += 1
        return self._stored - 1

    def stored(self, number: int) -> Trajectory:
        """A stored episode, without its pictures' bytes."""
        if number >= len(self._reader):
            self._reader.refresh()
        return self._reader[number]

    def note(self, result: Result) -> None:
        """Append a result; it is on its way to the disk when this returns."""
        self._lines.write(_line(result))
        self._lines.flush()

    def finish(self, results: Iterable[Result]) -> None:
        """Write the results in their lasting order, and no others."""
        lasting = sorted(results, key=lambda one: (one.suite, one.item, one.mode, one.seed, one.sample))
        _replace(self.path / RESULTS, "".join(map(_line, lasting)))

    def add_spent(self, spent: Mapping[str, float]) -> None:
        """Add what this process has spent to what the run had."""
        path = self.path / SPENT
        before = read_json(path) if path.exists() else {}
        total = {name: before.get(name, 0.0) + spent.get(name, 0.0) for name in sorted(before | dict(spent))}
        _replace(path, json.dumps(total, indent=2) + "\n")


@contextmanager
def open_folder(path: Path, card: RunCard) -> Iterator[Folder]:
    """Open a run for the block; one process writes a run at a time.

    Args:
        path: Its directory; made if missing.
        card: What will be asked.

    Raises:
        ConfigError: The directory holds a run of other settings; the message says which.
        StoreError: Another process writes it, or it cannot be written.
    """
    make_folder("out", path)
    with TrajectoryWriter(path / TRAJECTORIES) as writer:
        write_card(path, _going_on(path, card))
        # It belongs to all results together, which are about to change.
        (path / OFFICIAL).unlink(missing_ok=True)
        _cut_torn_line(path / RESULTS)
        results = {one.trajectory: one for one in read_run(path).results if is_scored(one)}
        with (
            TrajectoryReader(path / TRAJECTORIES, pictures=False) as reader,
            (path / RESULTS).open("a", encoding="utf-8") as lines,
        ):
            there = {number: one for number, one in results.items() if number is not None}
            yield Folder(path, known_episodes(reader), there, writer, reader, lines, len(reader))


def is_scored(result: Result) -> bool:
    """Whether nothing has to be asked again, neither the policy nor the judge."""
    return result.correct is not None and not result.judge_failed


def earlier_card(path: Path) -> RunCard | None:
    """What a directory's run asked, or None where there is no run.

    Raises:
        DatasetError: There is something else.
    """
    return read_card(path) if (path / CARD).exists() else None


def _going_on(path: Path, card: RunCard) -> RunCard:
    """The card of the whole run.

    Raises:
        ConfigError: It was another run.
    """
    earlier = earlier_card(path)
    if earlier is None:
        return card
    if differing := _differing(earlier, card):
        more = [f"{len(differing) - SHOWN} more"] if len(differing) > SHOWN else []
        shown = "; ".join([*differing[:SHOWN], *more])
        raise ConfigError(f"{path} holds a run of other settings ({shown}); choose another --out")
    versions = {
        name: _joined(earlier.versions.get(name), card.versions.get(name))
        for name in sorted(earlier.versions.keys() | card.versions.keys())
    }
    return replace(card, versions=versions)


def _differing(earlier: RunCard, card: RunCard) -> list[str]:
    """A sentence for each setting that differs; modes, seeds, samples and suites first."""
    # The plan names the modes. The environment of one that a run does not have is no difference of its own.
    shared = earlier.settings["env"].keys() & card.settings["env"].keys()
    before, now = _demands(earlier, shared), _demands(card, shared)
    differing = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    differing.sort(key=lambda name: (not name.startswith(FIRST), name))
    return [f"{name} was {_shown(before.get(name))}, is {_shown(now.get(name))}" for name in differing]


def _demands(card: RunCard, modes: Collection[str]) -> dict[str, Any]:
    """What must be the same for a run to go on, by path; the content of suites is compared item by item."""
    content = json.loads(json.dumps(asdict(card)))
    env = content["settings"]["env"]
    content["settings"]["env"] = {mode: settings for mode, settings in env.items() if mode in modes}
    suites = {name: about.get("revision") for name, about in content["suites"].items()}
    kept = {key: content[key] for key in ("policy", "settings", "judge")}
    return dict(_leaves(kept | {"suites": suites}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _joined(*versions: str | None) -> str:
    """Of a run that went on with other versions, all of them."""
    return "; ".join(dict.fromkeys(part for one in versions if one for part in one.split("; ")))


def known_episodes(reader: TrajectoryReader) -> dict[str, int]:
    """Key -> number of the episodes that count: those whose infrastructure failed are to be asked again."""
    return {
        episode.versions[KEY]: number
        for number, episode in enumerate(reader)
        if episode.outcome is not Outcome.INFRA_FAILED and KEY in episode.versions
    }


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    whole = path.read_bytes()
    if not whole.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(whole.rfind(b"\n") + 1)


def _line(result: Result) -> str:
    return json.dumps(result.to_record(), sort_keys=True, ensure_ascii=True) + "\n"


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
