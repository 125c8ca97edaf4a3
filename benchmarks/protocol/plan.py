"""What will be asked, as data: every draw with the key of all that decides how it is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from agents.trajectory import SeedLineage
from benchmarks.result import MODES, Mode
from benchmarks.scoring.option_order import OptionOrder, Shown, layouts
from benchmarks.suites.suite import Item, Suite
from deepeyes_env.config import EnvConfig
from deepeyes_env.prompts import PROMPTS, system_prompt
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.curation.keys import canonical, plain, stage_key

LINEAGE_BITS = 48
"""Of a task's name, as its number in a lineage: far from equal for two items, and exact in any JSON."""


class Items(Protocol):
    """A suite with its rows: `benchmarks.suites.items.SuiteItems`, or WorldBench's.

    Attributes:
        suite: The suite.
    """

    suite: Suite

    def __len__(self) -> int: ...

    def item(self, index: int) -> Item:
        """The item at `index`, from 0."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a run's card says of the suite."""
        ...

    def search_engine(self) -> SearchEngine | None:
        """The engine over the suite's own pages, if it has some."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of every item.

    Attributes:
        modes: Which tools answer, one after the other.
        seeds: With which seeds.
        samples: How often with each.
        option_order: In which order of options.
        n: At most so many items of a suite; None for all.
    """

    modes: tuple[Mode, ...] = MODES
    seeds: tuple[int, ...] = (0,)
    samples: int = 1
    option_order: OptionOrder = "release"
    n: int | None = None

    def count(self, items: Items) -> int:
        """Number of items of a suite that are asked."""
        return len(items) if self.n is None else min(self.n, len(items))


@dataclass(frozen=True, slots=True)
class Draw:
    """An item that is asked once.

    Attributes:
        suite: Name of the suite.
        mode: Which tools answer.
        seed: Of the run.
        sample: Number of the asking, from 0; of an item in several orders of options each is one.
        draw: Number of the draw that it belongs to, from 0: all orders of options together are one.
        shown: The item as it is asked.
    """

    suite: str
    mode: Mode
    seed: int
    sample: int
    draw: int
    shown: Shown

    @property
    def lineage(self) -> SeedLineage:
        """What all its randomness comes from; it does not know which other items there are."""
        name = hashlib.sha256(self.shown.item.task.id.encode()).digest()
        number = int.from_bytes(name[: LINEAGE_BITS // 8])
        return SeedLineage(self.seed, MODES.index(self.mode), number, self.sample)


def draws(items: Items, mode: Mode, plan: Plan) -> Iterator[Draw]:
    """All draws of a suite in one mode, item by item; an item is read when its turn comes.

    Raises:
        DatasetError: Two items have the same id, by which their answers would be mixed up.
    """
    seen: dict[str, int] = {}
    for index in range(plan.count(items)):
        item = items.item(index)
        if (first := seen.setdefault(item.task.id, index)) != index:
            raise DatasetError(
                items.suite.card.name,
                f"the items {first} and {index} have the same id {item.task.id}",
                "give every row an id of its own (are the same rows in two files of a copy?)",
            )
        for seed in plan.seeds:
            shown = layouts(item, plan.option_order, seed)
            for sample in range(plan.samples * len(shown)):
                draw, place = divmod(sample, len(shown))
                yield Draw(items.suite.card.name, mode, seed, sample, draw, shown[place])


def surroundings(
    policy: Mapping[str, Any], config: EnvConfig, items: Items, **more: Any
) -> Mapping[str, Any]:
    """All that decides how items are answered in one mode, besides the draw.

    Args:
        policy: Everything that decides what the policy says.
        config: The environment of the mode; its task source is replaced by the suite.
        items: The suite.
        **more: What else counts.
    """
    prompt = system_prompt(config) + PROMPTS[config.prompt].instructions
    own_pages = items.describe().get("source") if items.search_engine() is not None else None
    return {
        "policy": policy,
        "env": settings_of(config),
        "prompt": hashlib.sha256(prompt.encode()).hexdigest(),
        "pages": own_pages,
        **more,
    }


def settings_of(config: EnvConfig) -> Mapping[str, Any]:
    """The environment's settings without its task source and judge, which an evaluation does not use."""
    settings: dict[str, Any] = plain(asdict(replace(config, judge=None)))
    return {key: value for key, value in settings.items() if key not in ("source", "split", "judge")}


def key_of(draw: Draw, around: Mapping[str, Any]) -> str:
    """Names an answer by all that decides it: an answer of the same key need not be asked for again."""
    asked = {"suite": draw.suite, "mode": draw.mode, "seed": draw.seed, "sample": draw.sample}
    return stage_key("eval", around, [canonical(asked).decode(), content_of(draw.shown.item)])


def content_of(item: Item) -> str:
    """A hash of all of an item: question, pictures, reference, and what its metric needs."""
    task = item.task
    content = {
        "id": task.id,
        "question": task.question,
        "images": [image.sha256 for image in task.images],
        "answer": asdict(task.answer),
        # The order of options counts, and `canonical` sorts mappings.
        "choices": list(task.answer.choices.items()),
        "system_prompt": task.system_prompt,
        "category": item.category,
        "cluster": item.cluster,
        "unanswerable": item.unanswerable,
        "twin": item.twin,
        "facts": item.facts,
    }
    return hashlib.sha256(canonical(content)).hexdigest()
