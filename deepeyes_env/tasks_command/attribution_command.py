"""`deepeyes tasks attribution`: whose facts and pictures the real world shows, and under which licences."""

from __future__ import annotations

from dataclasses import dataclass

import tyro

from deepeyes_env.tasks.worlds.real.attribution import CREDITS


@dataclass(frozen=True, slots=True)
class AttributionArgs:
    """Print the credits that anyone has to give who shows questions of the real world to others."""


def main(argv: list[str]) -> int:
    """Print the credits as Markdown.

    Args:
        argv: Command-line arguments.

    Returns:
        0.
    """
    tyro.cli(AttributionArgs, prog="deepeyes tasks attribution", args=argv)
    for credit in CREDITS:
        print(f"## {credit.package}\n{credit.what}\nLicence: {credit.licence}\n{credit.text}\n")
    return 0
