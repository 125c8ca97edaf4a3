"""Play one episode with its scripted oracle and save the picture that `render_mode="rgb_array"` paints.

Run: python examples/draw_episode.py enamel-plate 3 docs/episode.png
"""

import sys

import gymnasium as gym
import numpy as np
from PIL import Image

from agents.scripted import oracle_program
from agents.trajectory import SeedLineage
from deepeyes_env.env import DeepEyesEnv
from deepeyes_env.tasks import WorldConfig


def main(family: str, seed: str, path: str) -> None:
    """Play the episode of `family` that `seed` draws and write its picture to `path`."""
    source = WorldConfig(families=(family,))
    made = gym.make("deepeyes_env:DeepEyes-v0", source=source, render_mode="rgb_array")
    env = made.unwrapped
    assert isinstance(env, DeepEyesEnv)
    env.reset(seed=int(seed))
    program = oracle_program(env.episode.task, SeedLineage(run_seed=0))
    turn, ended = next(program), False
    while not ended:
        _, _, terminated, truncated, _ = env.step(turn)
        ended = terminated or truncated
        if not ended:
            turn = program.send(env.episode.observations[-1])
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    Image.fromarray(picture).quantize(128).save(path, optimize=True)
    env.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
