"""`deepeyes sandbox`: looks after the sandbox of this machine."""

from __future__ import annotations

import importlib
import sys

from deepeyes_env.errors import nearest

PARTS = {
    "check": ("deepeyes_env.sandbox.check_command", "whether it really isolates here, shown and tried"),
    "top": ("deepeyes_env.sandbox.top_command", "who is using it, and how much"),
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
        print("\n".join(["usage: deepeyes sandbox PART [--help] [options]", "", "parts:", *lines]))
        return 0 if argv else 2
    part, *rest = argv
    if part not in PARTS:
        print(f"deepeyes sandbox: unknown part {part!r}: {nearest(part, PARTS)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(PARTS[part][0]).main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
