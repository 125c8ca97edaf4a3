"""`deepeyes tasks`: looks at the generated tasks, and hands any on."""

from __future__ import annotations

from functools import partial

from deepeyes_env.parts import run_part

PARTS = {
    "list": ("deepeyes_env.tasks_command.list_command", "the task families, what they need, and their knobs"),
    "sheet": ("deepeyes_env.tasks_command.sheet_command", "contact sheets of their pictures"),
    "check": ("deepeyes_env.tasks_command.check_command", "whether every family needs what its tags say"),
    "attribution": (
        "deepeyes_env.tasks_command.attribution_command",
        "whose facts and pictures the real world shows",
    ),
    "verl": ("deepeyes_env.tasks_command.verl_command", "any source's tasks as a data set for verl"),
}
"""Modules and what they say, by name."""

main = partial(run_part, "tasks", PARTS)
"""Run the part that is named first."""
