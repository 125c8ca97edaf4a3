"""DeepEyesV2's RL data: parquet of tasks in the schema of reference 4.3, without any turn.

A run's rows are its tasks, each once, with the question's images as the model saw them. What is written, and
the released files, are read as a task source, `source = {kind = "deepeyesv2", train = ["OUT/..."]}`
(`deepeyes_env.tasks.deepeyesv2`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.store.parquet_files import (
    image_column,
    image_value,
    import_pyarrow,
    text,
    with_metadata,
    write_files,
)
from agents.trajectory import Trajectory
from deepeyes_env.config import EnvConfig
from deepeyes_env.prompts import system_prompt, user_prompt
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.deepeyesv2 import SKILLS

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "rl"

ENV_NAME = "deepeyes_v2"
"""What the released loader starts its tool environment for (reference 4.3)."""


def schema() -> pa.Schema:
    """The columns that the released loader reads."""
    pa = import_pyarrow()
    words = pa.string()
    columns = {
        "prompt": pa.list_(pa.struct({"role": words, "content": words})),
        "images": image_column(),
        "env_name": words,
        "data_source": words,
        "reward_model": pa.struct({"ground_truth": words}),
        "extra_info": pa.struct({"index": words, "question": words, "answer": words}),
    }
    return with_metadata(pa.schema(columns), image_columns=["images"])


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write the tasks of a run as `train-00000.parquet`, ...; each task once."""
    write_files(directory, "train", schema(), _distinct(trajectories))


def write_tasks(tasks: Iterable[Task], directory: Path, config: EnvConfig) -> None:
    """Write tasks of any source, with their images as they are.

    Args:
        tasks: The tasks.
        directory: Where to write `train-00000.parquet`, ...
        config: Says which prompts are written.
    """
    rows = (
        to_row(
            task,
            system_prompt(config) if task.system_prompt is None else task.system_prompt,
            user_prompt(task.question, task.images, config),
        )
        for task in tasks
    )
    write_files(directory, "train", schema(), rows)


def to_task(trajectory: Trajectory) -> Task:
    """The task of a trajectory, as far as the trajectory knows it."""
    shown = trajectory.prompt.count(IMAGE_MARKER)
    return Task(
        id=trajectory.task_id,
        question=trajectory.question,
        images=trajectory.images[:shown],
        answer=Answer(trajectory.reference),
        skills=frozenset(map(Skill, trajectory.skills)),
        family=trajectory.family,
        system_prompt=trajectory.system_prompt,
    )


def to_row(task: Task, system: str, prompt: str) -> dict[str, Any]:
    """One row.

    Args:
        task: The task.
        system: Text of the system message.
        prompt: Text of the user's message, one `<image>` per image.
    """
    return {
        "prompt": [{"role": "system", "content": text(system)}, {"role": "user", "content": text(prompt)}],
        "images": [image_value(image) for image in task.images],
        "env_name": ENV_NAME,
        "data_source": _data_source(task),
        "reward_model": {"ground_truth": text(task.answer.text)},
        "extra_info": {
            "index": text(task.metadata.get("index", task.id)),
            "question": text(task.question),
            "answer": text(task.answer.text),
        },
    }


def obstacle(trajectory: Trajectory) -> str | None:
    """Why the format cannot hold a trajectory's task, or None if it can."""
    if not trajectory.prompt.count(IMAGE_MARKER):
        return "the question has no image, which the released loader demands"
    return None if trajectory.reference.strip() else "there is no reference answer"


def _distinct(trajectories: Iterable[Trajectory]) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for trajectory in trajectories:
        if trajectory.task_id not in seen:
            seen.add(trajectory.task_id)
            yield to_row(to_task(trajectory), trajectory.system_prompt, trajectory.prompt)


def _data_source(task: Task) -> str:
    """What the released reward goes by (reference 3): the hardest of the task's skills to verify."""
    if task.family in SKILLS:
        return task.family
    if Skill.SEARCH in task.skills:
        return "search"
    return "reason" if Skill.REASONING in task.skills else "perception"
