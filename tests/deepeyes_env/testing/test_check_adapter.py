"""The kit passes our three shells, and catches each way in which an adapter goes wrong."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.sandbox import shared_sandbox
from deepeyes_env.sandbox.base import CellResult, Session
from deepeyes_env.testing import Played, Script, Seen, adapter_config, adapter_scripts, check_adapter
from deepeyes_env.testing.reference import (
    AsyncEnvDriver,
    SingleEnvDriver,
    VectorEnvDriver,
    expected,
)

SHELLS = (SingleEnvDriver, VectorEnvDriver, AsyncEnvDriver)


@pytest.mark.parametrize("shell", SHELLS)
def test_our_shells_pass(shell: type[SingleEnvDriver]) -> None:
    check_adapter(shell())


def test_the_scripts_show_every_way_of_a_turn_and_an_end() -> None:
    played = dict(zip([script.name for script in adapter_scripts()], expected(), strict=True))
    assert {one.outcome for one in played.values()} == {"answered", "truncated", "malformed"}
    assert len({sum(one.rewards) for one in played.values()}) >= 4
    assert [len(seen.images) for seen in played["images from tools"].observations] == [1, 1, 2]
    assert "ZeroDivisionError" in played["errors of code"].observations[1].text
    assert "## Web Results" in played["search"].observations[1].text
    assert played["image search"].observations[1].images
    assert "Error: Invalid tool call" in played["refused calls"].observations[1].text
    assert [sum(played[name].rewards) > 0.9 for name in ("solved by code", "solved by search")] == [True] * 2
    seeds = [played[name].observations[2].text for name in ("state across cells", "another seed")]
    assert seeds[0] != seeds[1]
    assert "True True True\nTrue" in played["leaves traces"].observations[3].text
    for name in ("finds no traces", "finds no traces afterwards"):
        assert "False False False\nFalse" in played[name].observations[-1].text


class Altered:
    """What a good driver gives, altered on its way; `together` alters only what is played at once."""

    def __init__(self, alter: Callable[[list[Played]], Sequence[Played]], *, together: bool = False) -> None:
        self.alter = alter
        self.together = together

    def play(self, scripts: Sequence[Script]) -> Sequence[Played]:
        good = dict(zip(adapter_scripts(), expected(), strict=True))
        played = [good[script] for script in scripts]
        return self.alter(played) if len(scripts) > 1 or not self.together else played


def each(alter: Callable[[Played], Played]) -> Callable[[list[Played]], list[Played]]:
    return lambda played: [alter(one) for one in played]


def with_images(encode: Callable[[EncodedImage], object]) -> Callable[[Played], Played]:
    def alter(one: Played) -> Played:
        shown = [Seen(seen.text, [encode(image) for image in seen.images]) for seen in one.observations]
        return replace(one, observations=shown)

    return alter


def jpeg(image: EncodedImage) -> bytes:
    buffer = io.BytesIO()
    image.decode().save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def png(image: EncodedImage) -> bytes:
    buffer = io.BytesIO()
    image.decode().save(buffer, "PNG", compress_level=9)
    return buffer.getvalue()


def smaller(image: EncodedImage) -> Image.Image:
    return image.decode().resize((28, 28))


def swapped(played: list[Played]) -> list[Played]:
    return [*played[1:], played[0]]


def rewards_of_neighbours(played: list[Played]) -> list[Played]:
    return [replace(one, rewards=other.rewards) for one, other in zip(played, swapped(played), strict=True)]


def without_the_second(one: Played) -> Played:
    return replace(one, observations=[*one.observations[:1], *one.observations[2:]])


def without_the_last(one: Played) -> Played:
    return replace(one, observations=one.observations[:-1])


def late(one: Played) -> Played:
    return replace(one, rewards=[*one.rewards[1:], one.rewards[0]])


def stripped(one: Played) -> Played:
    return replace(
        one, observations=[Seen(seen.text.strip() + " ", seen.images) for seen in one.observations]
    )


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        (Altered(each(with_images(jpeg))), r"observation 0, image 0: \d+ of 200704 pixels differ"),
        (
            Altered(each(with_images(png))),
            "image 0: the pixels are right, but it was encoded anew: sha256 .* expected",
        ),
        (Altered(each(with_images(smaller))), r"the shape \(28, 28, 3\), expected \(448, 448, 3\)"),
        (Altered(each(with_images(lambda _: b"no image"))), "image 0: the image does not decode"),
        (Altered(each(without_the_last)), "observations, expected"),
        (Altered(each(without_the_second)), "observation 1: the text differs at character"),
        (Altered(each(stripped)), "observation 0: the text differs"),
        (Altered(each(late)), r"rewards \[.*\]: only the last step has one"),
        (Altered(each(lambda one: replace(one, outcome="answered"))), "outcome is 'answered', expected"),
        (
            Altered(rewards_of_neighbours, together=True),
            r"script 'right answer', at the same time as the others: the reward is 0\.2, expected 1\.0",
        ),
        (Altered(swapped, together=True), r"it got what '.*' should get: episodes are swapped"),
        (Altered(lambda played: played[1:]), "0 results for 1 scripts"),
    ],
)  # fmt: skip
def test_what_is_altered_is_caught(driver: Altered, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_adapter(driver)


def test_an_unrepeatable_adapter_is_caught_even_in_what_is_left_out() -> None:
    rng = np.random.default_rng(0)
    noise = with_images(lambda image: rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    with pytest.raises(AssertionError, match="played again: unlike before, observation 0, image 0"):
        check_adapter(Altered(each(noise)), leave_out=["images"])
    check_adapter(Altered(each(with_images(smaller))), leave_out=["images"])


def test_what_is_left_out_must_be_a_check() -> None:
    with pytest.raises(ValueError, match="expected some of rewards, outcome, texts, images, tokens"):
        check_adapter(AsyncEnvDriver(), leave_out=["image"])


class Lent:
    """A session that its episode cannot close."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, code: str) -> CellResult:
        return self._session.run(code)

    def close(self) -> None:
        pass


class OneSessionForAll:
    """A sandbox that hands out the same session again and again to whoever has the same picture."""

    def __init__(self) -> None:
        config = adapter_config()
        self._sandbox = shared_sandbox(config.sandbox_backend, config.limits)
        self._sessions: dict[object, Session] = {}

    def open(self, images: Sequence[Image.Image], seed: int = 0) -> Session:
        name = (images[0].tobytes(), seed)
        if name not in self._sessions:
            self._sessions[name] = self._sandbox.open(images, seed)
        return Lent(self._sessions[name])

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()


class SharedState(AsyncEnvDriver):
    def __init__(self, sandbox: OneSessionForAll) -> None:
        self.sandbox = sandbox

    def make(self, num_envs: int) -> DeepEyesAsyncEnv:
        return DeepEyesAsyncEnv(num_envs, adapter_config(), sandbox=self.sandbox)


def test_state_that_episodes_share_is_caught() -> None:
    sandbox = OneSessionForAll()
    try:
        with pytest.raises(AssertionError, match=r"script 'finds no traces afterwards'.*the text differs"):
            check_adapter(SharedState(sandbox))
    finally:
        sandbox.close()
