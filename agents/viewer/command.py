"""`deepeyes view RUN`: writes a run's trajectories as one web page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from agents.store import StoreError, read_trajectories
from agents.viewer.page import render_page
from agents.vocabulary import Vocabulary

PAGE = "trajectories.html"
"""Name of the page inside the run's directory."""


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Show a run's trajectories as one self-contained web page.

    Attributes:
        run: Directory that holds `trajectories.jsonl`.
        output: Where to write the page; default: `trajectories.html` in the run's directory.
        tokenizer: Directory of the tokenizer that decodes the tokens; default: the last one found inside the
            run's directory. Without one the page shows token ids.
    """

    run: tyro.conf.Positional[Path]
    output: Path | None = None
    tokenizer: Path | None = None


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: Its arguments.

    Raises:
        SystemExit: The run cannot be read; the message says why.
    """
    options = tyro.cli(ViewOptions, args=list(argv), prog="deepeyes view")
    try:
        trajectories = list(read_trajectories(options.run))
    except StoreError as error:
        raise SystemExit(f"deepeyes view: {error}") from error
    page = render_page(trajectories, _vocabulary(options), title=options.run.resolve().name)
    output = options.output or options.run / PAGE
    # Half a surrogate pair in a tool's output is no character that a file can hold.
    output.write_text(page, encoding="utf-8", errors="replace")
    print(f"{len(trajectories)} trajectories, {len(page) / 1e6:.1f} MB: {output}")


def _vocabulary(options: ViewOptions) -> Vocabulary | None:
    found = sorted(path.parent for path in options.run.rglob("tokenizer.json"))
    directory = options.tokenizer or (found[-1] if found else None)
    if directory is None:
        return None
    from transformers import AutoTokenizer

    return Vocabulary(AutoTokenizer.from_pretrained(directory))
