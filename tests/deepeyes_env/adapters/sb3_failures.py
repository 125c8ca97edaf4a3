"""Runs under Stable-Baselines3's interpreter: to its example, failed infrastructure is no wrong answer."""

from __future__ import annotations

import math

from landolt_rings import DIRECTIONS, LandoltRings, Options
from ppo_sb3 import Curve, evaluate

from deepeyes_env.sandbox.base import SandboxError


class NoSandbox:
    def open(self, images, seed=0):
        raise SandboxError("the disk is full")

    def close(self):
        pass


class Broken(Options):
    """The example's options, without a sandbox to look with."""

    def env(self, split):
        return super().env(split) | {"sandbox": NoSandbox()}


class Chooses:
    """Takes these entries of the menu, again and again: the first four look, the others answer."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.taken = 0

    def predict(self, observation, deterministic):
        self.taken += 1
        return self.numbers[(self.taken - 1) % len(self.numbers)], None


def rates_are_of_what_was_scored() -> None:
    right = [4 + answer_of(index) for index in range(2)]
    two = Broken(test_episodes=2)
    assert evaluate(two, Chooses(*right)) == (1.0, 0.0)
    assert evaluate(two, Chooses(0, right[1])) == (1.0, 0.5)
    accuracy, looked = evaluate(two, Chooses(0))
    assert math.isnan(accuracy)
    assert looked == 1.0


def answer_of(index: int) -> int:
    return DIRECTIONS.index(LandoltRings().task(index, "test").answer.text)


def the_curve_is_of_what_was_scored() -> None:
    curve = Curve()
    ends = [("answered", 1.0), ("infra_failed", 0.0), ("truncated", 0.0)]
    infos = [{"outcome": outcome, "accuracy": accuracy} for outcome, accuracy in ends]
    curve.locals = {"infos": [*infos, {"turn": 1}]}
    curve._on_step()
    assert curve.right == [1.0, 0.0]


if __name__ == "__main__":
    rates_are_of_what_was_scored()
    the_curve_is_of_what_was_scored()
    print("all right")
