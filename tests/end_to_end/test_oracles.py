"""Every family is solved by its oracle with all tools, and not without any one of those it names."""

from collections.abc import Collection

import numpy as np
import pytest

from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.tasks.worlds import FAMILY_MODULES, family, oracle_for
from deepeyes_env.tasks_command.ablation import SUBSETS, play
from deepeyes_env.tasks_command.choice import world_config

TOOLS = SUBSETS["all tools"]


def accuracy(
    name: str, tools: Collection[str], indexes: range, seed: int = 0, difficulty: float = 0.5
) -> float:
    """Share of tasks, twins among them, that the oracle answers rightly."""
    config = world_config(name, seed=seed, difficulty=difficulty, twins=True)
    right = play(config, frozenset(tools), indexes, "validation")  # type: ignore[arg-type]
    return sum(right) / len(right)


@pytest.mark.parametrize("name", FAMILY_MODULES)
def test_the_oracle_solves_every_task(name: str) -> None:
    assert accuracy(name, TOOLS, range(4)) == 1.0
    assert accuracy(name, TOOLS, range(2), seed=5, difficulty=0.0) == 1.0
    assert accuracy(name, TOOLS, range(2), seed=6, difficulty=1.0) == 1.0


@pytest.mark.parametrize("name", FAMILY_MODULES)
def test_every_named_tool_is_needed_and_no_other(name: str) -> None:
    needed = family(name).tools
    assert accuracy(name, needed, range(2)) == 1.0
    for tool in needed:
        assert accuracy(name, TOOLS - {tool}, range(2)) == 0.0


@pytest.mark.parametrize(("seed", "index"), [(91, 0), (91, 44), (1, 37), (2, 8)])
def test_a_change_among_dark_colours_is_found(seed: int, index: int) -> None:
    config = world_config("spot-the-change", seed=seed, difficulty=1.0, twins=True)
    assert all(play(config, TOOLS, range(index, index + 1), "train"))


@pytest.mark.parametrize("index", range(8))
def test_an_enlarged_market_sign_is_shown_whole(index: int) -> None:
    """The oracle reads signs from metadata, so the picture must be checked to hold what it claims to read."""
    env = DeepEyesEnv(source=WorldConfig(families=("market-stalls",)))
    env.reset(options={"index": index, "split": "validation"})
    env.step(next(oracle_for(env.episode.task)))
    light = np.asarray(env.episode.observations[-1].images[0].decode(), dtype=int).sum(-1)
    env.close()
    sign = np.argwhere(light > 0.85 * light.max())
    assert len(sign) > 2_000
    assert (sign.min(axis=0) > 10).all()
    assert (sign.max(axis=0) < np.array(light.shape) - 10).all()
