"""Commands that have parts: `deepeyes sandbox check`, `deepeyes tasks sheet`, ..."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

from deepeyes_env.errors import nearest


def run_part(command: str, parts: Mapping[str, tuple[str, str]], argv: list[str]) -> int:
    """Run the part that is named first.

    Args:
        command: The command's name, after `deepeyes`.
        parts: Module and line of help by the part's name; each module has a `main` that takes the remaining
            arguments, and is not imported before it is asked for.
        argv: Name of the part and its arguments.

    Returns:
        The part's exit status (0 where its `main` gives none), or 2 for an unknown part.
    """
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:<12} {summary}" for name, (_, summary) in parts.items()]
        print("\n".join([f"usage: deepeyes {command} PART [--help] [options]", "", "parts:", *lines]))
        return 0 if argv else 2
    part, *rest = argv
    if part not in parts:
        print(f"deepeyes {command}: unknown part {part!r}: {nearest(part, parts)}", file=sys.stderr)
        return 2
    status: int | None = importlib.import_module(parts[part][0]).main(rest)
    return status or 0
