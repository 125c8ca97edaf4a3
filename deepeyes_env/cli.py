"""The `deepeyes` command. Its subcommands come from the entry-point group `deepeyes.commands`.

Every package, also a third party's, adds commands by naming a function that takes the remaining arguments.
"""

from __future__ import annotations

import ast
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from deepeyes_env.errors import ConfigError, nearest
from deepeyes_env.extras import PROJECT, extra_of
from deepeyes_env.images import ImageError
from deepeyes_env.tasks.dataset_error import DatasetError

GROUP = "deepeyes.commands"


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Name of the subcommand and its arguments; default: the process's own.

    Returns:
        The exit status: 0 on success, 2 for a mistake of the user or a package that is not installed, 130
        after Ctrl-C.

    Raises:
        ModuleNotFoundError: A module is missing that none of our extras brings.
    """
    arguments = sys.argv[1:] if argv is None else argv
    commands = {point.name: point for point in entry_points(group=GROUP)}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage(commands))
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in commands:
        print(f"deepeyes: unknown command {name!r}: {nearest(name, commands)}", file=sys.stderr)
        return 2
    try:
        return commands[name].load()(rest) or 0
    except (ConfigError, DatasetError, ImageError) as error:
        print(f"deepeyes {name}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if not error.name or (extra := extra_of(error.name)) is None:
            raise
        print(f"deepeyes {name} needs {error.name}: pip install '{PROJECT}[{extra}]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ndeepeyes {name}: interrupted", file=sys.stderr)
        return 130


def _usage(commands: dict[str, EntryPoint]) -> str:
    lines = [f"  {name:<12} {_summary(point)}" for name, point in sorted(commands.items())]
    listing = "\n".join(lines) or "  none; install the project: pip install -e ."
    return f"usage: deepeyes COMMAND [--help] [options]\n\ncommands:\n{listing}"


def _summary(point: EntryPoint) -> str:
    """First line of the docstring of the command's module, which is not imported: it may need torch."""
    spec = find_spec(point.module)
    if spec is None or spec.origin is None:
        return f"(missing module {point.module})"
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
