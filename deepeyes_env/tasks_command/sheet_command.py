"""`deepeyes tasks sheet`: contact sheets of the families' pictures, with questions and answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.progress import track

from deepeyes_env.errors import make_folder
from deepeyes_env.task import Split
from deepeyes_env.tasks.worlds import FAMILY_MODULES
from deepeyes_env.tasks_command.choice import WorldArgs
from deepeyes_env.tasks_command.contact_sheet import Strip, paint_sheet


@dataclass(frozen=True, kw_only=True)
class SheetArgs(WorldArgs):
    """Paint one contact sheet a room of the house of families: perception.png, reasoning.png, ...

    Attributes:
        output: Folder for the sheets.
        n: Tasks of each family.
        split: The part to take them from.
        twins: Show each task beside its counterfactual twin.
    """

    output: Path = Path("runs/sheets")
    n: int = 4
    split: Split = "train"
    twins: bool = False


def main(argv: list[str]) -> int:
    """Paint the sheets and say where they are.

    Args:
        argv: Command-line arguments.

    Returns:
        0.

    Raises:
        ConfigError: A family is unknown, or `output` cannot be a folder.
    """
    args = tyro.cli(SheetArgs, prog="deepeyes tasks sheet", args=argv)
    make_folder("output", args.output)
    rooms: dict[str, list[Strip]] = {}
    for name in track(args.names, "painting", transient=True):
        source = args.source(name, twins=args.twins)
        tasks = tuple(source.draw(index, args.split) for index in range(args.n))
        rooms.setdefault(FAMILY_MODULES[name].partition(".")[0], []).append(Strip(source.families[0], tasks))
    for room, strips in rooms.items():
        path = args.output / f"{room}.png"
        paint_sheet(room, strips).save(path)
        print(path)
    return 0
