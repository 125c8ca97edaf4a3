import json
import warnings
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from env_parts import (
    IMAGE_SEARCH,
    BrokenSandbox,
    InProcessSandbox,
    OnePageEngine,
    answer,
    code,
    make_source,
    make_task,
    picture,
    search,
)
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

import deepeyes_env
from deepeyes_env import ConfigError, DeepEyesEnv, EnvConfig, ImageError
from deepeyes_env.errors import TaskIndexError
from deepeyes_env.rewards import mathematics
from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.task import Answer, Skill
from deepeyes_env.testing import ListSource, arrays_equal


def make(**settings: object) -> DeepEyesEnv:
    settings = {"tasks": make_source(), "sandbox": InProcessSandbox(), "prompt": "minimal"} | settings
    return gym.make("DeepEyes-v0", **settings).unwrapped  # type: ignore[return-value]


def test_check_env_has_nothing_to_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make())
        check_env(gym.make("deepeyes_env:DeepEyes-v0").unwrapped)


def test_an_episode() -> None:
    env = make()
    observation, info = env.reset(seed=1, options={"index": 5, "split": "test"})
    assert observation["text"] == "<image>\nWhat is 5?"
    assert observation["images"][0].shape == (56, 56, 3)
    assert info == {
        "task_id": "list/5",
        "family": "digits",
        "turn": 0,
        "system_prompt": env.episode.system_prompt,
    }
    observation, reward, terminated, truncated, info = env.step(code("show(image_1)"))
    assert arrays_equal(observation["images"], [np.full((56, 56, 3), (0, 0, 255), np.uint8)])
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info == {"task_id": "list/5", "family": "digits", "turn": 1, "action": "code", "tool_ok": True}
    observation, reward, terminated, truncated, info = env.step(answer(5))
    assert (observation, reward, terminated, truncated) == ({"text": "", "images": ()}, 1.0, True, False)
    assert info == {
        "task_id": "list/5",
        "family": "digits",
        "turn": 2,
        "action": "answer",
        "outcome": "answered",
        "answer": "5",
        "accuracy": 1.0,
        "format": 1.0,
        "total": 1.0,
        "rule": "exact",
    }
    json.dumps(info)


def test_tools_answer_and_their_faults_are_told() -> None:
    env = make()
    env.reset(options={"index": 0})
    texts, oks = [], []
    for turn in (search("lamp"), IMAGE_SEARCH, code("1 / 0"), "<tool_call>{}</tool_call>"):
        observation, *_, info = env.step(turn)
        texts.append(observation["text"])
        oks.append(info["tool_ok"])
    assert oks == [True, True, False, False]
    assert "1. [About lamp](https://e.example/1)\nDate published: 2021-04-02\n\nIt is 1874." in texts[0]
    assert "1. <image>\n[A lighthouse] " in texts[1]
    assert "ZeroDivisionError" in texts[2]
    assert texts[3].startswith("Error: Invalid tool call format")


def test_state_lives_as_long_as_the_episode() -> None:
    sandbox = InProcessSandbox()
    env = make(sandbox=sandbox)
    env.reset(options={"index": 0})
    assert not sandbox.sessions
    env.step(code("x = 41"))
    assert "42" in env.step(code("print(x + 1)"))[0]["text"]
    env.step(answer(1))
    assert [session.closed for session in sandbox.sessions] == [True]
    env.reset(options={"index": 1})
    assert "NameError" in env.step(code("print(x)"))[0]["text"]
    env.reset()
    assert all(session.closed for session in sandbox.sessions)
    env.step(code("1"))
    env.close()
    env.close()
    assert all(session.closed for session in sandbox.sessions)


def test_the_same_seed_and_actions_give_the_same_bytes() -> None:
    def play(env: DeepEyesEnv) -> list[object]:
        seen: list[object] = [env.reset(seed=11)]
        seen += [env.step(turn) for turn in (code("import random\nprint(SEED)\nshow(image_1)"), answer("x"))]
        seen.append(env.reset())
        return seen

    for one, other in zip(play(make()), play(make()), strict=True):
        np.testing.assert_equal(one, other)
    texts = {str(make().reset(seed=seed)) for seed in range(20)}
    assert len(texts) > 4


def test_the_session_seed_does_not_depend_on_how_the_task_was_chosen() -> None:
    env = make()
    env.reset(seed=3)
    drawn = env.step(code("print(SEED)"))[0]["text"]
    index = int(env.episode.task.id.removeprefix("list/"))
    env.reset(seed=3, options={"index": index})
    assert env.step(code("print(SEED)"))[0]["text"] == drawn
    env.reset(seed=4, options={"index": index})
    assert env.step(code("print(SEED)"))[0]["text"] != drawn


@pytest.mark.parametrize("kind", [kind for kind in SearchErrorKind if kind.is_infrastructure])
def test_a_failing_search_engine_is_never_scored(kind: SearchErrorKind) -> None:
    env = make(tasks=make_source(OnePageEngine(kind)))
    env.reset(options={"index": 0})
    _, reward, terminated, truncated, info = env.step(search("x"))
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")


def test_a_failing_sandbox_is_never_scored() -> None:
    env = make(sandbox=BrokenSandbox())
    env.reset(options={"index": 0})
    _, reward, terminated, truncated, info = env.step(code("1"))
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")
    assert env.telemetry.failures == ["no more processes"]


def test_an_unreachable_judge_is_never_scored() -> None:
    env = make(judge={"base_url": "http://127.0.0.1:9/v1", "attempts": 1})
    env.reset(options={"index": 0})
    _, reward, terminated, truncated, info = env.step(answer("a long story"))
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")
    env.reset(options={"index": 0})
    assert env.step(answer(0))[1] == 1.0


def test_a_comparison_that_fails_is_never_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        def ask(self, reference: str, answer: str) -> bool:
            raise mathematics.MathematicsError("the helper hangs")

    env = make(tasks=ListSource([replace(make_task(0), answer=Answer("x + 1"))]))
    env.reset(options={"index": 0})
    monkeypatch.setattr(mathematics, "_HELPER", Hanging())
    _, reward, terminated, truncated, info = env.step(answer("1 + x"))
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, True, "infra_failed")
    assert env.telemetry.failures == ["the helper hangs"]


def test_no_results_and_refusals_are_told() -> None:
    for kind, text in (
        (SearchErrorKind.NO_RESULTS, "found 0 results"),
        (SearchErrorKind.BAD_REQUEST, "refused"),
        (SearchErrorKind.UNSUPPORTED, "not available for this task"),
    ):
        env = make(tasks=make_source(OnePageEngine(kind)))
        env.reset(options={"index": 0})
        for turn in (search("x"), IMAGE_SEARCH):
            observation, _, terminated, truncated, _ = env.step(turn)
            assert text in observation["text"]
            assert not terminated
            assert not truncated
    env = make(tasks=ListSource([make_task(0)]))
    env.reset()
    assert "not available for this task" in env.step(IMAGE_SEARCH)[0]["text"]


def test_image_search_sees_the_first_image_whole() -> None:
    engine = OnePageEngine()
    task = make_task(0, images=(picture("red", 500, 400), picture("blue", 60, 60)))
    env = make(tasks=ListSource([task], engine), max_pixels=50_000)
    env.reset()
    env.step(IMAGE_SEARCH)
    assert engine.seen == [(500, 400)]


def test_searching_on_a_search_task_costs_a_tenth_once() -> None:
    tasks = [make_task(0, skills=frozenset({Skill.SEARCH})), make_task(1)]
    totals = []
    for index, turns in ((0, []), (0, [search("x"), IMAGE_SEARCH]), (1, [search("x")])):
        env = make(tasks=ListSource(tasks, OnePageEngine()))
        env.reset(options={"index": index})
        for turn in turns:
            env.step(turn)
        totals.append(env.step(answer(index))[1])
    assert totals == pytest.approx([1.0, 0.92, 1.0])


def test_mistakes_of_the_caller_are_named() -> None:
    env = make()
    with pytest.raises(ResetNeeded):
        env.step(answer(1))
    with pytest.raises(ConfigError, match="did you mean 'index'"):
        env.reset(options={"indx": 1})
    with pytest.raises(ConfigError, match="split = 'tets': did you mean 'test'"):
        env.reset(options={"split": "tets"})
    with pytest.raises(ConfigError, match="whole number"):
        env.reset(options={"index": "1"})
    for index in (-1, 8):
        with pytest.raises(TaskIndexError, match=f"index = {index}: split 'train' has 8 tasks"):
            env.reset(options={"index": index})
    with pytest.raises(ConfigError, match="has no task"):
        make(tasks=ListSource([])).reset()
    env.reset()
    with pytest.raises(TypeError, match="not int: 5"):
        env.step(5)  # type: ignore[arg-type]
    env.step(answer(1))
    with pytest.raises(ResetNeeded):
        env.step(answer(1))


def test_after_a_task_that_cannot_be_shown_there_is_no_episode() -> None:
    env = make(tasks=ListSource([make_task(0), make_task(1, images=(picture("red", 4000, 2),))]))
    env.reset(options={"index": 0})
    with pytest.raises(ImageError):
        env.reset(options={"index": 1})
    with pytest.raises(ResetNeeded):
        env.step(answer(0))


def test_mistakes_in_the_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'max_turns'"):
        make(max_turn=3)
    with pytest.raises(ConfigError, match="did you mean 'rgb_array'"):
        DeepEyesEnv(render_mode="rgb_aray")
    with pytest.raises(ConfigError, match=r"load_config\(EnvConfig"):
        DeepEyesEnv(config={"max_turns": 3})  # type: ignore[arg-type]


def test_a_config_and_overrides() -> None:
    env = make(config=EnvConfig(max_turns=7, reward="paper"), max_turns=1)
    assert (env.config.max_turns, env.config.reward) == (1, "paper")
    env.reset(options={"index": 2})
    assert env.step(code("1"))[2:4] == (False, True)


def test_stock_vector_envs_work() -> None:
    def one() -> gym.Env:
        return gym.make("DeepEyes-v0", tasks=make_source(), sandbox=InProcessSandbox())

    for envs in (SyncVectorEnv([one, one]), AsyncVectorEnv([one, one], shared_memory=False)):
        observations, _ = envs.reset(seed=0)
        assert observations in envs.observation_space
        envs.action_space.seed(0)
        for _ in range(6):
            observations, rewards, *_ = envs.step(envs.action_space.sample())
        assert observations in envs.observation_space
        assert len(rewards) == 2
        envs.close()


def test_stock_wrappers_keep_check_env_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.wrappers.RecordEpisodeStatistics(make())
        env.reset(seed=0, options={"index": 1})
        assert env.step(answer(1))[4]["episode"]["r"] == pytest.approx(1.0)


def test_the_public_names_exist() -> None:
    for name in deepeyes_env.__all__:
        assert hasattr(deepeyes_env, name)
