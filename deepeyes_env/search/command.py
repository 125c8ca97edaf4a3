"""`deepeyes search`: make a corpus searchable, and try it."""

from __future__ import annotations

import importlib
import sys

from deepeyes_env.config import nearest

PARTS = {
    "index": ("deepeyes_env.search.index_command", "make or update the index of a corpus"),
    "query": ("deepeyes_env.search.query_command", "search an index"),
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
        print("\n".join(["usage: deepeyes search PART [--help] [options]", "", "parts:", *lines]))
        return 0 if argv else 2
    part, *rest = argv
    if part not in PARTS:
        print(f"deepeyes search: unknown part {part!r}: {nearest(part, PARTS)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(PARTS[part][0]).main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
