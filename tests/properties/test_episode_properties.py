"""No sequence of turns and results breaks an episode, and rewards stay in their bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from deepeyes_env.config import EnvConfig
from deepeyes_env.episode import Episode
from deepeyes_env.outcome import Outcome
from deepeyes_env.rewards.combine import score
from deepeyes_env.task import Task
from deepeyes_env.testing import check_episode, questions, tool_results, turns

CONFIGS = st.builds(
    EnvConfig,
    max_turns=st.integers(1, 4),
    max_images=st.integers(1, 6),
    max_episode_pixels=st.none() | st.integers(1, 60_000),
    max_images_per_turn=st.integers(1, 3),
    max_observation_chars=st.just(1_000),
    tools=st.sets(st.sampled_from(["code", "search", "image_search"])),
    prompt=st.sampled_from(["full", "code_only", "search_only", "direct", "minimal"]),
    think=st.sampled_from(["required", "optional"]),
    sandbox_pixels=st.sampled_from(["observed", "original"]),
    max_pixels=st.sampled_from([3136, 100_000]),
    tool_max_pixels=st.sampled_from([3136, 100_000]),
    reward=st.sampled_from(["deepeyesv2", "paper"]),
)


@settings(max_examples=150)
@given(questions(), CONFIGS, st.lists(turns(), max_size=6), st.data())
def test_any_episode_keeps_the_rules(
    task: Task, config: EnvConfig, texts: list[str], data: st.DataObject
) -> None:
    episode = check_episode(lambda: Episode(task, config), texts, lambda _: data.draw(tool_results()))
    for observation in episode.observations[1:]:
        assert len(observation.text) <= 2 * config.max_observation_chars + 1_000
    if episode.outcome is Outcome.ANSWERED:
        reward, grade = score(episode.result, config)
        assert reward.accuracy == float(grade.correct)
        assert reward.format in (0.0, 1.0)
        assert 0.0 <= reward.total <= (1.0 if config.reward == "deepeyesv2" else 2.0)
