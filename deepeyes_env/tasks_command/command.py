"""`deepeyes tasks`: looks at the generated tasks."""

from __future__ import annotations

import importlib
import sys

from deepeyes_env.errors import nearest

PARTS = {
    "list": ("deepeyes_env.tasks_command.list_command", "the task families, what they need, and their knobs"),
    "sheet": ("deepeyes_env.tasks_command.sheet_command", "contact sheets of their pictures"),
    "check": ("deepeyes_env.tasks_command.check_command", "whether every family needs what its tags say"),
    "attribution": (
        "deepeyes_env.tasks_command.attribution_command",
        "whose facts and pictures the real world shows",
    ),
}
"""Modules and what they say, by name; each module has a `main` that takes the remaining arguments."""


def main(argv: list[str]) -> int:
    """Run the part that is named first.

    Args:
        argv: Name of the part and its arguments.

    Returns:
        The part's exit status, or 2 for an unknown part.
    """
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:<12} {summary}" for name, (_, summary) in PARTS.items()]
        print("\n".join(["usage: deepeyes tasks PART [--help] [options]", "", "parts:", *lines]))
        return 0 if argv else 2
    part, *rest = argv
    if part not in PARTS:
        print(f"deepeyes tasks: unknown part {part!r}: {nearest(part, PARTS)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(PARTS[part][0]).main(rest)
    return status
