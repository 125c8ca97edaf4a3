"""What a group of trajectories keeps in memory: every image once, encoded, and nothing else of it."""

import gc
from collections.abc import Iterable
from dataclasses import is_dataclass
from enum import Enum

import numpy as np
import torch
from PIL import Image
from recorder import from_texts, record

from agents.store import TrajectoryWriter, read_trajectories
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env import images
from deepeyes_env.config import EnvConfig
from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks import WorldConfig
from deepeyes_env.vector import DeepEyesVectorEnv

SHOW = (
    "<think>look</think>\n<code>\n```python\n"
    "image_1.crop((10, 10, 200, 150)).show()\nimage_1.resize((60, 60)).show()\n```\n</code>"
)
SAY = "<think>so</think><answer>7</answer>"


def group(size: int) -> list[Trajectory]:
    """Draws of one task that all look at the same parts of its picture, each in a session of its own."""
    settings = EnvConfig(
        source=WorldConfig(families=("house-number",)), prompt="minimal", max_pixels=400 * 784
    )
    env = DeepEyesVectorEnv(1, settings)
    try:
        return [
            record(env, 0, from_texts([SHOW, SHOW, SAY]), lineage=SeedLineage(0, sample=number))
            for number in range(size)
        ]
    finally:
        env.close()


def assert_every_image_is_kept_once(trajectories: Iterable[Trajectory]) -> None:
    shown = [image for trajectory in trajectories for image in trajectory.images]
    assert len(shown) == 16 * 5
    assert len({image.sha256 for image in shown}) == 3
    assert len({id(image.data) for image in shown}) == 3


def reachable_types(root: object) -> set[type]:
    """Types of everything that an object holds, classes and modules left aside."""
    seen, found, stack = set(), set(), [root]
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type):
            continue
        seen.add(id(one))
        found.add(type(one))
        stack += gc.get_referents(one) if gc.is_tracked(one) else []
    return found


def decoded() -> dict[int, object]:
    """Pictures and tensors of more than a few numbers that are alive, by identity."""
    gc.collect()
    alive = gc.get_objects()  # by `type`: `isinstance` would wake up lazy objects of other packages
    found = [one for one in alive if issubclass(type(one), Image.Image)]
    found += [one for one in alive if issubclass(type(one), torch.Tensor) and one.numel() > 1000]
    return {id(one): one for one in found}


def test_a_group_holds_every_image_once_and_no_pixels(tmp_path):
    group(1)  # what the first episode of a process leaves behind is the process's, not the trajectory's
    before = decoded()
    trajectories = group(16)
    assert decoded().keys() <= before.keys()
    assert_every_image_is_kept_once(trajectories)
    assert not {image.sha256 for image in trajectories[0].images} & set(images._DECODED)
    allowed = {tuple, list, dict, str, int, float, bool, bytes, type(None), np.ndarray, EncodedImage}
    for kind in reachable_types(trajectories) - allowed:
        assert is_dataclass(kind) or issubclass(kind, Enum), f"a trajectory holds a {kind}"

    with TrajectoryWriter(tmp_path) as writer:
        for trajectory in trajectories:
            writer.append(trajectory)
    assert sum(path.is_file() for path in (tmp_path / "images").rglob("*")) == 3
    stored = list(read_trajectories(tmp_path))
    assert_every_image_is_kept_once(stored)
