"""`deepeyes play`: you play an episode in the terminal, or with `--policy` watch a policy play it."""

from __future__ import annotations

from collections.abc import Sequence

import deepeyes_env.play

WATCHED = ("--policy", "--backend")
"""Options that only a policy's game has."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0, whoever plays and however it ends.
    """
    if any(argument.split("=")[0] in WATCHED for argument in argv):
        from agents.watch import watch_command

        return watch_command(argv)
    if {"-h", "--help"} & set(argv):
        print("To watch a policy instead: deepeyes play --policy CHECKPOINT|oracle [--help]\n")
    return deepeyes_env.play.main(list(argv))
