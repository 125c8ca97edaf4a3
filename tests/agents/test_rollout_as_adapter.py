"""Our own rollouts pass the conformance kit with their tokens, and it catches tokens that are wrong."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from talk import vocabulary

from agents.scripted import demonstrate_many
from agents.speaker import RolloutRequest, session_seed
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.async_env import AsyncEpisode, DeepEyesAsyncEnv
from deepeyes_env.testing import Played, Script, Seen, Tokens, adapter_config, adapter_scripts, check_adapter

ENDS = ("</code>", "</tool_call>", "</answer>")
"""Texts with which a turn ends by itself; after any other, its end is sampled."""


class Seeded(DeepEyesAsyncEnv):
    """Gives the scripts their own seeds in place of those that a rollout draws from lineages."""

    def __init__(self, num_envs: int, seeds: dict[int, int]) -> None:
        super().__init__(num_envs, adapter_config())
        self.seeds = seeds

    async def begin(self, index: int, split: str = "train", seed: int = 0) -> AsyncEpisode:
        return await super().begin(index, split, self.seeds[seed])


class RolloutDriver:
    """Plays scripts as `demonstrate_many` does, token by token."""

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        lineages = [SeedLineage(0, sample=number) for number in range(len(scripts))]
        env = Seeded(
            len(scripts), {session_seed(one): s.seed for one, s in zip(lineages, scripts, strict=True)}
        )
        requests = [RolloutRequest(s.index, s.split, one) for s, one in zip(scripts, lineages, strict=True)]
        try:
            found = demonstrate_many(
                env, vocabulary(), requests, lambda _, one: _speak(scripts[one.sample].turns)
            )
            return [_played(trajectory, s.turns) for trajectory, s in zip(found, scripts, strict=True)]
        finally:
            env.close()


def _speak(turns: Sequence[str]):
    for turn in turns:  # noqa: UP028, a tuple's iterator is sent nothing
        yield turn


def _played(trajectory: Trajectory, turns: Sequence[str]) -> Played:
    said = vocabulary()
    texts = [trajectory.prompt, *(turn.observation for turn in trajectory.turns[:-1])]
    images = iter(trajectory.images)
    shown = [Seen(text, [next(images) for _ in range(text.count("<image>"))]) for text in texts]
    spoken = [turn.removeprefix("<think>") if number else turn for number, turn in enumerate(turns)]
    sampled = [said.encode(text) + ([] if text.endswith(ENDS) else [said.im_end]) for text in spoken]
    ids, mask = trajectory.input_ids.tolist(), trajectory.loss_mask.tolist()
    tokens = Tokens(ids, mask, sampled, said.image_pad, said.decode)
    return Played(shown, [trajectory.reward.total], trajectory.outcome, tokens)


def test_our_rollouts_pass() -> None:
    check_adapter(RolloutDriver())


class Mistaken:
    """Tokens of one good episode, made wrong."""

    def __init__(self, alter: Callable[[Tokens], Tokens]) -> None:
        self.alter = alter

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        return [replace(one, tokens=self.alter(one.tokens)) for one in GOOD.play(scripts)]


class Remembered:
    """Plays every script once."""

    def __init__(self) -> None:
        self.known: dict[Script, Played] = {}

    def play(self, scripts: Sequence[Script]) -> list[Played]:
        if not self.known:
            every = adapter_scripts()
            self.known = dict(zip(every, RolloutDriver().play(every), strict=True))
        return [self.known[script] for script in scripts]


GOOD = Remembered()


def mask_too_late(tokens: Tokens) -> Tokens:
    return replace(tokens, mask=[False, *tokens.mask[:-1]])


def mask_too_early(tokens: Tokens) -> Tokens:
    return replace(tokens, mask=[*tokens.mask[1:], False])


def mask_without_the_last(tokens: Tokens) -> Tokens:
    last = max(place for place, sampled in enumerate(tokens.mask) if sampled)
    return replace(tokens, mask=[sampled and place != last for place, sampled in enumerate(tokens.mask)])


def a_placeholder_too_few(tokens: Tokens) -> Tokens:
    place = list(tokens.ids).index(tokens.image_token)
    return replace(
        tokens,
        ids=[*tokens.ids[:place], *tokens.ids[place + 1 :]],
        mask=[*tokens.mask[:place], *tokens.mask[place + 1 :]],
    )


def encoded_again(tokens: Tokens) -> Tokens:
    ids = list(tokens.ids)
    ids[list(tokens.mask).index(True)] += 1
    return replace(tokens, ids=ids)


def without_the_observations(tokens: Tokens) -> Tokens:
    """Only the ends are left of what stands between two turns."""
    keep = [
        sampled or place < 4 or tokens.mask[place - 1] or token == tokens.image_token
        for place, (token, sampled) in enumerate(zip(tokens.ids, tokens.mask, strict=True))
    ]
    pick = lambda values: [value for value, kept in zip(values, keep, strict=True) if kept]  # noqa: E731
    return replace(tokens, ids=pick(tokens.ids), mask=pick(tokens.mask))


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (mask_too_late, r"turn 0: the mask is off by one: true at (\d+):\d+, sampled at \d+"),
        (mask_too_early, "turn 0: the mask is off by one"),
        (mask_without_the_last, r"turn 0: the tokens under the mask .* are not the \d+ sampled ones"),
        (a_placeholder_too_few, "observation 0: 255 image placeholders stand for 256 features of 1 images"),
        (encoded_again, r"are not the \d+ sampled ones: token 0 is \d+, sampled was"),
        (without_the_observations, "observation 0: '.*' is missing; the tokens say"),
        (lambda tokens: replace(tokens, mask=tokens.mask[1:]), r"the mask has \d+ entries for \d+ tokens"),
        (lambda tokens: replace(tokens, sampled=[]), "0 turns were sampled, the script has 1"),
        (lambda tokens: replace(tokens, mask=[0] * len(tokens.ids)), "0 runs of sampled tokens for 1 turns"),
    ],
)
def test_wrong_tokens_are_caught(alter: Callable[[Tokens], Tokens], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_adapter(Mistaken(alter))
