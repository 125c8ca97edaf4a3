"""`deepeyes search query`: search an index, by words or by a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape

from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import DEFAULT_HITS, Hit, SearchResponse
from deepeyes_env.search.local.engine import LocalSearchEngine


@dataclass(frozen=True, slots=True)
class QueryArgs:
    """Search an index that `deepeyes search index` has made.

    Attributes:
        directory: The index.
        query: Words.
        image: Search for pages with pictures like this file instead.
        k: Most hits shown.
        title_boost: What a word in the title counts beside one in the text.
    """

    directory: tyro.conf.Positional[Path]
    query: tyro.conf.Positional[str] = ""
    image: Path | None = None
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = DEFAULT_HITS
    title_boost: float = 1.0


def main(argv: list[str]) -> int:
    """Search.

    Args:
        argv: Command-line arguments.

    Returns:
        0 if something was found, else 1.

    Raises:
        ConfigError: There is nothing to search for.
        DatasetError: The directory is no index.
        ImageError: The picture does not decode.
    """
    args = tyro.cli(QueryArgs, args=argv, prog="deepeyes search query")
    engine = LocalSearchEngine.open(args.directory, args.title_boost)
    response = _search(engine, args)
    console = Console()
    for hit in response.hits:
        console.print(_lines(hit), highlight=False, soft_wrap=True)
    if response.error is not None:
        console.print(f"[yellow]{response.error}[/]")
    return 0 if response.hits else 1


def _search(engine: LocalSearchEngine, args: QueryArgs) -> SearchResponse:
    if args.k < 1:
        raise ConfigError(f"--k is {args.k}; give a number from 1")
    if args.image is not None:
        try:
            data = args.image.read_bytes()
        except OSError as error:
            raise ConfigError(f"--image cannot be read ({error}); give the path of a picture") from error
        return engine.search_image(EncodedImage.from_bytes(data).decode(), args.k)
    if not args.query.strip():
        raise ConfigError("there is nothing to search for; give some words or --image FILE")
    return engine.search_text(args.query, args.k)


def _lines(hit: Hit) -> str:
    about = [hit.doc_id, *([f"{hit.score:.2f}"] if hit.score else []), *([hit.date] if hit.date else [])]
    head = f"[bold]{hit.rank}. {escape(hit.title)}[/]  [dim]{escape(' · '.join(about))}[/]"
    shown = f"{hit.thumbnail.width} x {hit.thumbnail.height} pixels" if hit.thumbnail else hit.snippet
    return f"{head}\n   [dim]{escape(hit.url)}[/]\n   {escape(shown)}"
