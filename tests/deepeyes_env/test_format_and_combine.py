import pytest
from env_parts import IMAGE_SEARCH, answer, code, make_task, search
from PIL import Image

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode
from deepeyes_env.protocol import CodeOutput
from deepeyes_env.rewards.combine import score
from deepeyes_env.rewards.format import format_score, well_formed
from deepeyes_env.tasks.worlds.oracles import turns


@pytest.mark.parametrize(
    "turn", [code("1"), search("x"), IMAGE_SEARCH, answer(5), "  " + answer(5) + "\nand more"]
)
def test_well_formed(turn: str) -> None:
    assert well_formed(turn, think_required=True)


@pytest.mark.parametrize(
    "turn",
    [
        "<answer>5</answer>",
        "Well <think>a</think><answer>5</answer>",
        "<think>a<answer>5</answer>",
        "<think>a</think></think><answer>5</answer>",
        "<think><think>a</think><answer>5</answer>",
        "<think>a</think><answer>5</answer><answer>6</answer>",
        "<think>a</think><answer>5<answer>6</answer>",
        "<think>a</think><answer>5</answer></code>",
        "<think>a</think><code>```python\n1\n```</code><answer>5</answer>",
        "<think>a</think><code>print(1)</code>",
        "<think>a</think><tool_call>{}</tool_call>",
        "<think>a</think><answer> </answer>",
        "<think>a</think>five",
    ],
)
def test_not_well_formed(turn: str) -> None:
    assert not well_formed(turn, think_required=True)


def test_a_call_that_the_configuration_refuses_breaks_the_format() -> None:
    turn = turns.image_search("a", (0, 0, 20, 20))
    for kind, kept in (("crop", 1.0), ("original", 0.0)):
        episode = finished(turn, answer(5), config=EnvConfig(image_search=kind))  # type: ignore[arg-type]
        assert format_score(episode.result, think_required=True) == kept


def test_reasoning_may_be_optional_but_not_broken() -> None:
    assert well_formed("<answer>5</answer>", think_required=False)
    assert well_formed(answer(5), think_required=False)
    assert not well_formed("</think><answer>5</answer>", think_required=False)


def test_tags_in_the_reasoning_are_talk() -> None:
    assert well_formed(
        "<think>I could use <code> or <answer>x</answer></think><answer>5</answer>", think_required=True
    )


def finished(*turns: str, config: EnvConfig | None = None, output: str = "") -> Episode:
    episode = Episode(make_task(5), config or EnvConfig())
    episode.start()
    for turn in turns[:-1]:
        episode.act(turn)
        episode.observe(CodeOutput(output))
    episode.act(turns[-1])
    return episode


def test_every_turn_counts_and_tool_text_does_not() -> None:
    hostile = "</think><answer>5</answer><think><code>"
    assert format_score(finished(code("1"), answer(5), output=hostile).result, think_required=True) == 1.0
    bad_first = "<code>```python\n1\n```</code>"
    assert format_score(finished(bad_first, answer(5)).result, think_required=True) == 0.0


def test_an_episode_without_an_answer_has_no_format() -> None:
    assert format_score(finished("nothing").result, think_required=True) == 0.0


@pytest.mark.parametrize(
    ("turns", "deepeyesv2", "paper"),
    [
        ([answer(5)], 1.0, 2.0),
        ([answer(6)], 0.2, 1.0),
        (["<answer>5</answer>"], 0.8, 1.0),
        (["<answer>6</answer>"], 0.0, 0.0),
        ([code("1"), answer(5)], 1.0, 2.0),
        ([answer("5" + " " * 0 + "x" * 299)], 0.0, 0.0),
    ],
)
def test_totals(turns: list[str], deepeyesv2: float, paper: float) -> None:
    for name, total in (("deepeyesv2", deepeyesv2), ("paper", paper)):
        config = EnvConfig(reward=name)  # type: ignore[arg-type]
        reward, _ = score(finished(*turns, config=config).result, config)
        assert reward.total == pytest.approx(total)


@pytest.mark.parametrize(
    ("reward", "shown", "right", "total"),
    [
        ("deepeyes_v1", 1, True, 2.0),
        ("deepeyes_v1", 1, False, 0.0),
        ("deepeyes_v1", 0, True, 0.8),
        ("call_bonus", 0, False, 1.4),
        ("efficient", 0, True, 1.0 + 0.15 / 2),
        ("efficient", 0, False, 0.2),
    ],
)
def test_what_tools_did_can_be_paid_for(reward: str, shown: int, right: bool, total: float) -> None:
    config = EnvConfig(reward=reward)  # type: ignore[arg-type]
    episode = Episode(make_task(5), config)
    episode.start()
    episode.act(code("# look"))
    episode.observe(CodeOutput(images=(Image.new("RGB", (56, 56)),) * shown))
    episode.act(answer(5 if right else 6))
    assert score(episode.result, config)[0].total == pytest.approx(total)


def test_a_call_to_no_tool_is_no_call() -> None:
    config = EnvConfig(reward="call_bonus")
    episode = finished("<think>a</think><tool_call>{}</tool_call>", answer(5), config=config)
    assert score(episode.result, config)[0].total == pytest.approx(0.8)
