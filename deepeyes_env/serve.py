"""`deepeyes serve`: offers parts of the environment as servers."""

from __future__ import annotations

import importlib
import sys

from deepeyes_env.errors import nearest

SERVERS = {
    "sandbox": "deepeyes_env.sandbox.server.command",
    "search": "deepeyes_env.search.server.command",
}
"""Modules by the name of what they serve; each has a `main` that takes the remaining arguments."""


def main(argv: list[str]) -> int:
    """Serve the part that is named first.

    Args:
        argv: Name of the part and its arguments.

    Returns:
        The server's exit status, or 2 for an unknown part.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: deepeyes serve PART [--help] [options]\n\nparts: {', '.join(SERVERS)}")
        return 0 if argv else 2
    part, *rest = argv
    if part not in SERVERS:
        print(f"deepeyes serve: unknown part {part!r}: {nearest(part, SERVERS)}", file=sys.stderr)
        return 2
    status: int = importlib.import_module(SERVERS[part]).main(rest)
    return status
