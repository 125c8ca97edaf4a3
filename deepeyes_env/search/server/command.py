"""`deepeyes serve search`: a search engine as a `/retrieve` server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import SearchEngine
from deepeyes_env.search.retrieve import TOKEN_VARIABLE
from deepeyes_env.secret import read_secret
from deepeyes_env.tasks import WorldConfig, open_source

try:
    from deepeyes_env.search.server.app import SearchServerLimits, make_app
    from deepeyes_env.serving.listener import listen, run
except ImportError as error:
    raise ConfigError("a server needs FastAPI and uvicorn: pip install 'deepeyes-gym[serve]'") from error


@dataclass(frozen=True, slots=True)
class ServeSearchArgs:
    """Offer text search to trainers at /retrieve, in the form of Search-R1's server.

    With a token in DEEPEYES_SEARCH_TOKEN, clients must send it as `Authorization: Bearer`.

    Attributes:
        index: Search this index, made by `deepeyes search index`.
        world: Search the encyclopaedia of the generated world of this seed.
        host: Address to listen at; other than a loopback address only with a token.
        port: Port to listen at (Search-R1's); 0 takes a free one.
        server: How much the server takes on.
    """

    index: Path | None = None
    world: int | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    server: SearchServerLimits = field(default_factory=SearchServerLimits)


def main(argv: list[str]) -> int:
    """Serve until interrupted.

    Args:
        argv: Command-line arguments.

    Returns:
        0 after a clean stop, 1 if the server does not start.

    Raises:
        ConfigError: The address cannot be used, or is open to others without a token, or it is not said what
            to search.
        DatasetError: The directory is no index.
    """
    args = tyro.cli(ServeSearchArgs, prog="deepeyes serve search", args=argv)
    engine = _engine(args)
    token = read_secret(TOKEN_VARIABLE)
    danger = f"whoever reaches it could search; set {TOKEN_VARIABLE} to a secret"
    listener = listen(args.host, args.port, token, danger)
    engine.search_text("warm up", 1)  # the index of a world is made now and not by the first request
    return run(make_app(engine, args.server, token), listener, "search")


def _engine(args: ServeSearchArgs) -> SearchEngine:
    if (args.index is None) == (args.world is None):
        raise ConfigError("say what to search: either --index DIRECTORY or --world SEED")
    if args.index is not None:
        from deepeyes_env.search.local import LocalSearchEngine

        return LocalSearchEngine.open(args.index)
    engine = open_source(WorldConfig(seed=args.world or 0)).search_engine()
    assert engine is not None
    return engine
