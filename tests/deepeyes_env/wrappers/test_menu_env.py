"""`DeepEyesMenu-v0`: Gymnasium's checker, and the vector env against single ones."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from env_parts import make_source
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from deepeyes_env.wrappers.menu import MenuEntry, MenuState, answer_options, default_menu
from deepeyes_env.wrappers.menu_env import MenuVectorEnv
from deepeyes_env.wrappers.text_boxes import TextBytes, WordCounts

SETTINGS = {"menu": default_menu("0123", rows=2, columns=2), "side": 24, "prompt": "minimal"}


@pytest.mark.parametrize(
    "chosen", [{}, {"scaled": True}, {"text": TextBytes(64)}, {"text": WordCounts(64)}], ids=str
)
def test_check_env_has_nothing_to_say(chosen: dict[str, object]) -> None:
    env = gym.make("deepeyes_env:DeepEyesMenu-v0", tasks=make_source(), **chosen, **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What is checked here is a wrapper, on purpose.
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(env)
    env.close()


@pytest.mark.parametrize("chosen", [{}, {"scaled": True, "text": WordCounts(64)}], ids=str)
def test_a_slot_plays_as_a_single_environment(chosen: dict[str, object]) -> None:
    count, rng = 3, np.random.default_rng(0)
    made = {"tasks": make_source(), "max_turns": 3, **chosen, **SETTINGS}
    ours = gym.make_vec("DeepEyesMenu-v0", num_envs=count, **made)
    stock = gym.make_vec("DeepEyesMenu-v0", num_envs=count, vectorization_mode="sync", **made)
    assert isinstance(ours, MenuVectorEnv)
    assert isinstance(stock, SyncVectorEnv)
    assert ours.metadata["autoreset_mode"] == stock.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert ours.single_observation_space == stock.single_observation_space
    assert ours.observation_space == stock.observation_space
    assert ours.action_space == stock.action_space
    pairs = [(ours.reset(seed=7)[0], stock.reset(seed=7)[0])]
    for _ in range(12):
        actions = rng.integers(len(SETTINGS["menu"]), size=count)
        one, other = ours.step(actions), stock.step(actions)
        pairs.append((one[0], other[0]))
        for mine, theirs in zip(one[1:4], other[1:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in pairs:
        assert ours.observation_space.contains(mine)
        np.testing.assert_equal(mine, theirs)
    ours.close()
    stock.close()


def test_what_was_returned_is_not_changed_later() -> None:
    envs = gym.make_vec("DeepEyesMenu-v0", num_envs=2, tasks=make_source(), **SETTINGS)
    first = envs.reset(seed=1)[0]
    kept = first.copy()
    envs.step(np.array([0, 1]))
    assert np.array_equal(first, kept)
    envs.close()


def test_a_bad_action_is_named() -> None:
    envs = MenuVectorEnv(2, menu=answer_options("AB"), tasks=make_source())
    envs.reset(seed=1)
    with pytest.raises(IndexError, match="action 2: the menu has 2 entries"):
        envs.step(np.array([0, 2]))
    envs.close()


@pytest.mark.parametrize(
    ("bad", "said"),
    [([0, 3], "action 3: the menu"), ([0], "1 choices for 2 slots"), ([0, 1, 2], "3 choices for 2 slots")],
)
def test_refused_actions_leave_everything_as_it_was(bad: list[int], said: str) -> None:
    def counts(state: MenuState) -> str:
        return f"<think>Turn {len(state.taken)}.</think>\n<code>\n```python\n{len(state.taken)}\n```\n</code>"

    menu = (MenuEntry("count", counts), *answer_options("AB"))
    envs = MenuVectorEnv(2, menu=menu, tasks=make_source())
    envs.reset(seed=1)
    with pytest.raises((IndexError, ValueError), match=said):
        envs.step(np.array(bad))
    envs.step(np.array([0, 0]))
    assert [envs.env.episode(slot).turns[0].split(".")[0] for slot in range(2)] == ["<think>Turn 0"] * 2
    envs.close()
