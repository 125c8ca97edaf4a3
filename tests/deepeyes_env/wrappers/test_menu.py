"""What the default menu's entries do, in the real sandbox."""

import gymnasium as gym
import numpy as np
import pytest
from env_parts import OnePageEngine, make_source
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deepeyes_env import ConfigError, DeepEyesEnv, EncodedImage, Task
from deepeyes_env.protocol import Finish, RunCode, SearchImage, parse_turn
from deepeyes_env.task import Answer
from deepeyes_env.testing import ListSource, turns
from deepeyes_env.wrappers.menu import MenuEntry, MenuState, answer_options, crop_cells, default_menu
from deepeyes_env.wrappers.menu_actions import MenuActions

QUADRANTS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
"""Red, green over blue, yellow."""


def four_colours() -> Task:
    picture = Image.fromarray(QUADRANTS.repeat(56, axis=0).repeat(56, axis=1))
    return Task("list/0", "What is where?", (EncodedImage.from_pil(picture),), Answer("B"))


@pytest.fixture
def env():
    engine = OnePageEngine()
    bare = DeepEyesEnv(tasks=ListSource([four_colours()], engine), prompt="minimal")
    wrapped = MenuActions(bare, default_menu(rows=2, columns=2))
    wrapped.engine = engine
    yield wrapped
    wrapped.close()


def choose(env: MenuActions, name: str):
    return env.step([entry.name for entry in env.menu].index(name))


def colour(observation) -> tuple[int, ...]:
    (image,) = observation["images"]
    return tuple(image.reshape(-1, 3).mean(0).round().astype(int).tolist())


def test_crops_show_their_cells(env: MenuActions) -> None:
    env.reset()
    for row in range(2):
        for column in range(2):
            observation, *_, info = choose(env, f"crop {row},{column}")
            assert colour(observation) == tuple(QUADRANTS[row, column])
            assert info["tool_ok"]


def test_edits_go_on_with_the_view(env: MenuActions) -> None:
    env.reset()
    choose(env, "crop 0,0")
    assert colour(choose(env, "zoom in")[0]) == (255, 0, 0)
    whole = choose(env, "whole")[0]["images"][0]
    assert whole.shape == (112, 112, 3)
    turned = choose(env, "turn right")[0]["images"][0]
    assert np.array_equal(turned, np.rot90(whole, -1))
    parted = choose(env, "threshold")[0]["images"][0]
    assert set(np.unique(parted)) == {0, 255}


def test_edits_begin_with_the_question(env: MenuActions) -> None:
    env.reset()
    observation, *_, info = choose(env, "zoom in")
    assert info["tool_ok"]
    assert observation["images"][0].shape == (112, 112, 3)


def test_a_search_is_by_the_view_once_there_is_one(env: MenuActions) -> None:
    env.reset()
    choose(env, "search by image")
    choose(env, "crop 1,1")
    choose(env, "search by image")
    assert env.engine.seen == [(112, 112), (56, 56)]


def test_answers_end_the_episode_and_are_scored(env: MenuActions) -> None:
    for letter, reward in (("A", 0.2), ("B", 1.0)):
        env.reset()
        _, got, terminated, _, info = choose(env, f"answer {letter}")
        assert (got, terminated, info["answer"]) == (reward, True, letter)


def test_an_entry_sees_what_was_said_and_seen() -> None:
    states: list[MenuState] = []

    def noting(state: MenuState) -> str:
        states.append(state)
        return "<think>a</think>\n<code>\n```python\nprint('shown')\n```\n</code>"

    env = MenuActions(DeepEyesEnv(tasks=make_source(), prompt="minimal"), (MenuEntry("note", noting),))
    for _ in range(2):
        env.reset(options={"index": 3})
        env.step(0)
        env.step(0)
    env.close()
    assert [state.taken for state in states] == [(), ("note",)] * 2
    assert [state.question for state in states] == ["<image>\nWhat is 3?"] * 4
    assert [state.text == state.question for state in states] == [True, False] * 2
    assert "shown" in states[1].text


@given(st.integers(1, 9), st.integers(1, 9), st.floats(-0.4, 0.49))
@settings(max_examples=40)
def test_every_entry_is_a_whole_turn(rows: int, columns: int, margin: float) -> None:
    menu = (
        *default_menu(("7", "left"), rows=rows, columns=columns),
        *crop_cells(rows, columns, margin=margin),
    )
    kinds = [type(parse_turn(entry.spoken(MenuState("q", "t")))) for entry in menu]
    count = rows * columns
    edits, ends = [RunCode] * (count + 4), [SearchImage, Finish, Finish]
    assert kinds == [*edits, *ends, *[RunCode] * count]
    for entry in menu:
        if isinstance(action := parse_turn(entry.spoken(MenuState("q", "t"))), RunCode):
            compile(action.code, "entry", "exec")


@given(turns())
def test_any_text_can_be_on_the_menu(turn: str) -> None:
    assert MenuEntry("any", turn).spoken(MenuState("", "")) == turn


@pytest.mark.parametrize("margin", [0.5, 0.7, float("nan")])
def test_crops_that_show_nothing_are_refused(margin: float) -> None:
    with pytest.raises(ConfigError, match=f"margin = {margin}: must be below 0.5"):
        crop_cells(2, 2, margin=margin)


def test_a_grid_without_cells_is_refused() -> None:
    with pytest.raises(ConfigError, match="rows = 0: must be at least 1"):
        crop_cells(0, 2)
    with pytest.raises(ConfigError, match="columns = -1: must be at least 1"):
        default_menu(columns=-1)


def test_bad_menus_and_actions_are_named() -> None:
    env = DeepEyesEnv(tasks=make_source())
    with pytest.raises(ConfigError, match="no entries"):
        MenuActions(env, ())
    with pytest.raises(ConfigError, match="'a' is no entry; write MenuEntry"):
        MenuActions(env, ("a",))
    with pytest.raises(ConfigError, match="several entries are named 'answer A'"):
        MenuActions(env, answer_options("ABA"))
    chooser = MenuActions(env, answer_options("AB"))
    assert chooser.action_space == gym.spaces.Discrete(2)
    chooser.reset()
    with pytest.raises(IndexError, match="action 2: the menu has 2 entries"):
        chooser.step(2)
