"""`deepeyes search index`: make or update the index of a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deepeyes_env.errors import make_folder
from deepeyes_env.search.corpora import Columns, Corpus, open_corpus
from deepeyes_env.search.local.writer import Update, update_index

_LOOK_EVERY = 100
"""Documents between two looks at how far the corpus has been read; looking takes longer than a document."""


@dataclass(frozen=True, slots=True)
class IndexArgs:
    """Make a corpus searchable, or bring its index up to date: only what has changed is written.

    Attributes:
        source: A JSON Lines file in Search-R1's format, a folder of texts and captioned pictures, or hf:NAME
            for a Hugging Face data set (name on the hub, or path).
        output: Directory of the index.
        columns: Which columns of a Hugging Face data set hold what.
        split: Split of a Hugging Face data set.
        subset: Subset of a Hugging Face data set.
    """

    source: tyro.conf.Positional[str]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    columns: Columns = field(default_factory=Columns)
    split: str = "train"
    subset: str | None = None


def main(argv: list[str]) -> int:
    """Index a corpus.

    Args:
        argv: Command-line arguments.

    Returns:
        0.

    Raises:
        ConfigError: A library is missing, or `output` cannot be a folder.
        DatasetError: The corpus or the directory cannot be used.
    """
    args = tyro.cli(IndexArgs, args=argv, prog="deepeyes search index")
    corpus = open_corpus(args.source, args.columns, args.split, args.subset)
    make_folder("output", args.output)
    with _progress(corpus) as on_document:
        update = update_index(args.output, corpus, on_document)
    Console().print(_summary(update, args.output), highlight=False, soft_wrap=True)
    return 0


@contextmanager
def _progress(corpus: Corpus) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[documents]:,} documents"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("reading and indexing", total=corpus.total, documents=0)
        documents = 0

        def on_document() -> None:
            nonlocal documents
            documents += 1
            if documents % _LOOK_EVERY == 0:
                progress.update(task, completed=corpus.done, documents=documents)

        yield on_document
        progress.update(task, completed=corpus.done, documents=documents)


def _summary(update: Update, directory: Path) -> str:
    contents = update.contents
    kept = contents.documents - update.written
    pictures = f", {contents.pictures:,} of them with pictures" if contents.pictures else ""
    return (
        f"{contents.documents:,} documents{pictures}: "
        f"{update.written:,} written, {kept:,} kept as they were.\n"
        f"Try it: deepeyes search query {directory} 'some words'"
    )
