"""Oracles read what only eyes can from metadata, so their crops must be seen to hold it, whole."""

import numpy as np
import pytest

from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.tasks.worlds import oracle_for
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas
from deepeyes_env.tasks.worlds.fictional.source import FictionalWorld

MARGIN = 4
"""Pixels of an enlarged picture that must lie between the detail and the edge."""


def enlarged(source: FictionalWorld, index: int) -> np.ndarray:
    """What the oracle's first program shows of a task, grey levels."""
    env = DeepEyesEnv(tasks=source)
    env.reset(options={"index": index, "split": "validation"})
    env.step(next(oracle_for(env.episode.task)))
    shown = env.episode.observations[-1].images[0].decode()
    env.close()
    return np.asarray(shown.convert("L"), dtype=int)


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
@pytest.mark.parametrize("name", ["house-number", "harbour-number", "price-tag"])
def test_the_enlarged_part_holds_all_that_differs_from_the_twin(name: str, difficulty: float) -> None:
    source = FictionalWorld(3, (name,), difficulty, twins=True)
    for index in (0, 2):
        ours, theirs = enlarged(source, index), enlarged(source, index + 1)
        assert ours.shape == theirs.shape
        changed = np.argwhere(abs(ours - theirs) > 40)
        assert len(changed) > 20
        assert (changed.min(axis=0) >= MARGIN).all()
        assert (changed.max(axis=0) < np.array(ours.shape) - MARGIN).all()


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_a_spoilt_label_is_shown_upright_and_legible(difficulty: float) -> None:
    """The code that the oracle reads fits what is shown better than it does in any other posture."""
    source = FictionalWorld(4, ("spoilt-label",), difficulty)
    for index in range(3):
        shown = enlarged(source, index)
        height, width = shown.shape
        text = source.task(index, "validation").answer.text
        fits = []
        for code in (text, text[::-1]):
            canvas = Canvas(width, height)
            canvas.text(width * 0.533, height * 0.46, code, width * 62 / 430, font="bold")
            ink = np.asarray(canvas.finish().convert("L"), dtype=float)
            fits += [np.corrcoef(posture.ravel(), shown.ravel())[0, 1] for posture in postures(ink)]
        assert fits[0] == max(fits)
        assert fits[0] > 0.25


def postures(ink: np.ndarray) -> list[np.ndarray]:
    """A picture as it is, mirrored, upside down, and both."""
    return [ink, ink[:, ::-1], ink[::-1], ink[::-1, ::-1]]
