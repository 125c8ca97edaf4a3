"""`deepeyes view RUN`: shows a run's trajectories as a web page, written or served while the run grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from agents.store import IMAGES, RECORDS, StoreError, read_trajectories
from agents.viewer.folder import write_folder
from agents.viewer.page import render_page
from agents.viewer.run import GrowingRun
from agents.viewer.tokens import Words
from agents.vocabulary import Vocabulary
from deepeyes_env.errors import ConfigError
from deepeyes_env.secret import read_secret

PAGE = "trajectories.html"
"""Name of the page inside the run's directory."""

TOKEN_VARIABLE = "DEEPEYES_VIEW_TOKEN"
"""Environment variable that holds what visitors of a served run must send."""

EMBEDDED_BYTES = 16 << 20
"""Size of records and images up to which they are put into the page itself: one file that can be mailed, and
that a browser opens in about a second."""


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Show a run's trajectories as a web page.

    Writes `trajectories.html` into the run's directory: self-contained for a small run, beside a folder
    `view` for a big one. With --serve nothing is written: the run is shown at an address while it grows, to
    this machine, or to those who send the token in DEEPEYES_VIEW_TOKEN (browsers ask for it as a password).

    Attributes:
        run: Directory that holds `trajectories.jsonl`.
        output: Write one self-contained page here, however big.
        tokenizer: Directory of the tokenizer that decodes the tokens; default: the last one found inside the
            run's directory. Without one the page shows token ids.
        serve: Serve the run instead of writing a page.
        host: Address to listen at; other than a loopback address only with a token.
        port: Port to listen at; 0 takes a free one.
    """

    run: tyro.conf.Positional[Path]
    output: Path | None = None
    tokenizer: Path | None = None
    serve: bool = False
    host: str = "127.0.0.1"
    port: int = 8787


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: Its arguments.

    Returns:
        0; 1 if a server did not start.

    Raises:
        ConfigError: The address, the tokenizer or the place of the page cannot be used, the address is open
            to others without a token, or options contradict.
        SystemExit: The run cannot be read; the message says why.
    """
    options = tyro.cli(ViewOptions, args=list(argv), prog="deepeyes view")
    if options.serve and options.output:
        raise ConfigError("--serve writes no page: leave out --output")
    try:
        return _serve(options) if options.serve else _write(options)
    except StoreError as error:
        raise SystemExit(f"deepeyes view: {error}") from error


def _write(options: ViewOptions) -> int:
    title, vocabulary = options.run.resolve().name, _vocabulary(options)
    page = options.output or options.run / PAGE
    try:
        number = _write_page(options, page, title, vocabulary)
    except OSError as error:
        raise ConfigError(
            f"{page} cannot be written ({error.strerror}: {error.filename}); name a file in a folder that "
            "is there and yours to write: --output FILE"
        ) from error
    print(f"{number} trajectories, {page.stat().st_size / 1e6:.1f} MB: {page}")
    return 0


def _write_page(options: ViewOptions, page: Path, title: str, vocabulary: Vocabulary | None) -> int:
    """Write the page, with its folder if it is big; gives the number of trajectories."""
    if options.output or _size(options.run) <= EMBEDDED_BYTES:
        trajectories = list(read_trajectories(options.run))
        text = render_page(trajectories, vocabulary, title=title)
        # Half a surrogate pair in a title is no character that a file can hold.
        page.write_text(text, encoding="utf-8", errors="replace")
        return len(trajectories)
    run = GrowingRun(options.run)
    run.refresh()
    return write_folder(run, page, vocabulary, title=title)


def _size(run: Path) -> int:
    """Bytes of the run's records and images."""
    records, images = run / RECORDS, run / IMAGES
    files = [*([records] if records.exists() else []), *(images.iterdir() if images.exists() else [])]
    # A name with a dot is a writer's, and may be gone by now.
    return sum(file.stat().st_size for file in files if not file.name.startswith("."))


def _serve(options: ViewOptions) -> int:
    try:
        from agents.viewer.server import make_app
        from deepeyes_env.serving.listener import listen, run
    except ImportError as error:
        raise ConfigError("a server needs FastAPI and uvicorn: pip install 'deepeyes-gym[serve]'") from error
    token = read_secret(TOKEN_VARIABLE)
    danger = f"whoever reaches it could read the run; set {TOKEN_VARIABLE} to a secret"
    shown = GrowingRun(options.run)
    listener = listen(options.host, options.port, token, danger)
    words = Words(lambda: _vocabulary(options))
    words.of([])  # loads the tokenizer now and not at the first request, if the run has one yet
    title = options.run.resolve().name
    return run(make_app(shown, words, title, token), listener, f"the run {title}")


def _vocabulary(options: ViewOptions) -> Vocabulary | None:
    found = sorted(path.parent for path in options.run.rglob("tokenizer.json"))
    directory = options.tokenizer or (found[-1] if found else None)
    if directory is None:
        return None
    from transformers import AutoTokenizer

    try:
        return Vocabulary(AutoTokenizer.from_pretrained(directory))
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"tokenizer = {str(directory)!r}: {error}; give the directory of a Qwen2.5-VL tokenizer"
        ) from error
