from dataclasses import dataclass

import pytest

from deepeyes_env.task import Skill
from deepeyes_env.tasks.worlds import family
from deepeyes_env.tasks_command.ablation import SUBSETS, Ablation


@dataclass(frozen=True)
class Tags:
    """The part of a family that the verdict looks at."""

    skills: frozenset[Skill]
    tools: frozenset[str]


EYES = Tags(frozenset({Skill.PERCEPTION}), frozenset({"code"}))
PAGES = Tags(frozenset({Skill.SEARCH}), frozenset({"search"}))
ALL = Tags(frozenset(Skill), frozenset({"code", "search"}))


def shown(none: int, code: int, search: int, everything: int) -> Ablation:
    return Ablation(10, dict(zip(SUBSETS, (none, code, search, everything), strict=True)))


@pytest.mark.parametrize(
    ("tags", "ablation"),
    [
        (EYES, shown(0, 10, 0, 10)),
        (PAGES, shown(0, 0, 10, 10)),
        (ALL, shown(0, 0, 0, 10)),
        (family("at-a-glance"), shown(10, 10, 10, 10)),
    ],
)
def test_tags_that_the_ablation_shows_are_right(tags: Tags, ablation: Ablation) -> None:
    assert ablation.mistakes(tags) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tags", "ablation", "mistake"),
    [
        (EYES, shown(0, 10, 3, 10), "ask for code, but search only solves 30%"),
        (EYES, shown(4, 10, 4, 10), "ask for a tool, but no tool solves 40%"),
        (EYES, shown(0, 2, 0, 10), "do not ask for search, but code only solves only 20%"),
        (PAGES, shown(0, 10, 10, 10), "ask for search, but code only solves 100%"),
        (PAGES, shown(0, 0, 1, 10), "do not ask for code, but search only solves only 10%"),
        (ALL, shown(0, 0, 0, 7), "solves 70% with all tools"),
        (family("at-a-glance"), shown(0, 10, 10, 10), "do not ask for a tool, but no tool solves only 0%"),
    ],
)
def test_tags_that_the_ablation_contradicts_are_named(tags: Tags, ablation: Ablation, mistake: str) -> None:
    assert any(mistake in found for found in ablation.mistakes(tags))  # type: ignore[arg-type]
