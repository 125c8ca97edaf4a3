"""Search: what the `search` and `image_search` tools ask."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import (
    Hit,
    Region,
    SearchEngine,
    SearchErrorKind,
    SearchResponse,
    identity_of,
)
from deepeyes_env.search.config import (
    BudgetConfig,
    LiveSearchConfig,
    LocalSearchConfig,
    RateConfig,
    RecordingConfig,
    RetrieveSearchConfig,
    RetryConfig,
    SearchConfig,
)
from deepeyes_env.search.live.config import (
    AnyLiveConfig,
    DdgsConfig,
    LiteLLMSearchConfig,
    SerpApiConfig,
    SerperConfig,
    open_live,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepeyes_env.search.ledger import Ledger, MemoryLedger
    from deepeyes_env.search.recording.key import Origin
    from deepeyes_env.search.recording.recorded import Tally
    from deepeyes_env.search.recording.store import RecordingStore

__all__ = [
    "BudgetConfig",
    "DdgsConfig",
    "Hit",
    "LiteLLMSearchConfig",
    "LiveSearchConfig",
    "LocalSearchConfig",
    "RateConfig",
    "RecordingConfig",
    "Region",
    "RetrieveSearchConfig",
    "RetryConfig",
    "SearchConfig",
    "SearchEngine",
    "SearchErrorKind",
    "SearchResponse",
    "SerpApiConfig",
    "SerperConfig",
    "open_search",
    "tally_of",
]


def open_search(config: SearchConfig, own: SearchEngine | None = None) -> SearchEngine:
    """The engine that `config` describes, with all that stands around it (`search.wrappers`).

    A replay opens no engine: it needs neither libraries nor keys nor an index.

    Args:
        config: The settings.
        own: The task source's own engine, for a configuration that names none; a replay asks it for its name.

    Raises:
        ConfigError: There is no engine, a library or a key is missing, or a setting cannot be used.
        DatasetError: An index or a recording cannot be used.
    """
    from deepeyes_env.search.recording.recorded import Recorded
    from deepeyes_env.search.recording.store import RecordingStore
    from deepeyes_env.search.wrappers.blocklist import BENCHMARK_PAGES, Blocklisted
    from deepeyes_env.search.wrappers.sanitised import Sanitised

    recording = config.recording or RecordingConfig(path="none", mode="live")
    replay = recording.mode == "replay"
    store = None if recording.mode == "live" else RecordingStore(recording.path, writable=not replay)
    engines = [] if replay else _engines(config, own)
    corpus = _replayed_corpus(config, own, store) if replay else _corpus(config, engines)
    recorded = Recorded(
        None if replay else _requesting(config, engines, store),
        store,
        mode=recording.mode,
        origin=_origin(config, corpus, recording.version),
        max_miss_rate=recording.max_miss_rate,
        misses_after=recording.misses_after,
    )
    return Sanitised(Blocklisted(recorded, (*BENCHMARK_PAGES, *config.blocked)))


def tally_of(engine: SearchEngine) -> Tally:
    """Requests and replay misses of an engine that `open_search` gave, in this process.

    Raises:
        ConfigError: It is another engine, which counts nothing.
    """
    from deepeyes_env.search.recording.recorded import Recorded
    from deepeyes_env.search.wrappers.base import Wrapper

    inside: object = engine
    while isinstance(inside, Wrapper) and not isinstance(inside, Recorded):
        inside = inside.engine
    if not isinstance(inside, Recorded):
        raise ConfigError("only an engine that open_search gave counts its requests; set search")
    return inside.tally


def _requesting(
    config: SearchConfig, named: Sequence[tuple[str, SearchEngine]], store: RecordingStore | None
) -> SearchEngine:
    """The engines with everything that deals with requests that leave."""
    from deepeyes_env.search.wrappers.budgeted import Budgeted
    from deepeyes_env.search.wrappers.fallback import Fallback
    from deepeyes_env.search.wrappers.rate_limited import RateLimited
    from deepeyes_env.search.wrappers.retried import Retried

    ledger = _ledger(config, store)
    rate, budget, retry = config.rate, config.budget, config.retry
    engines = []
    for name, engine in named:
        if budget != BudgetConfig():
            engine = Budgeted(engine, ledger, queries=budget.queries, dollars=budget.dollars)
        if rate.per_second is not None:
            engine = RateLimited(
                engine,
                ledger,
                name=name,
                per_second=rate.per_second,
                burst=rate.burst,
                patience_seconds=rate.patience_seconds,
            )
        engines.append(engine)
    return Retried(
        Fallback(engines),
        attempts=retry.attempts,
        first_seconds=retry.first_seconds,
        longest_seconds=retry.longest_seconds,
        total_seconds=retry.total_seconds,
    )


def _engines(config: SearchConfig, own: SearchEngine | None) -> list[tuple[str, SearchEngine]]:
    """The engines to ask in order, by the names under which their rates are kept."""
    engine = config.engine
    if isinstance(engine, LiveSearchConfig):
        return [(_name(provider), open_live(provider)) for provider in engine.providers]
    if isinstance(engine, LocalSearchConfig):
        from deepeyes_env.search.local import LocalSearchEngine

        return [("local", LocalSearchEngine.open(engine.index))]
    if isinstance(engine, RetrieveSearchConfig):
        from deepeyes_env.search.retrieve import RetrieveEngine

        return [("retrieve", RetrieveEngine(engine.url, engine.timeout_seconds))]
    if own is None:
        raise ConfigError(
            "search.engine: the task source has no search engine of its own; choose one by "
            "kind = 'local', 'retrieve' or 'live'"
        )
    return [("source", own)]


def _corpus(config: SearchConfig, named: Sequence[tuple[str, SearchEngine]]) -> str:
    """What names the corpus that is searched; empty where nothing does."""
    match config.engine:
        case RetrieveSearchConfig(url=url):
            address, _, query = url.partition("?")
            # A query may hold a key, which no recording may.
            return address.rstrip("/") + (f"?{sha256(query.encode()).hexdigest()[:16]}" if query else "")
        case LiveSearchConfig():
            return ""
    ((_, engine),) = named
    return identity_of(engine)


def _replayed_corpus(config: SearchConfig, own: SearchEngine | None, store: RecordingStore | None) -> str:
    """The same without an engine.

    Raises:
        DatasetError: The index is not there, and the recording knows several.
    """
    match config.engine:
        case None:
            return identity_of(own)
        case LocalSearchConfig() as engine:
            assert config.recording is not None
            assert store is not None
            return _replayed_index(engine, config.recording.version, store)
    return _corpus(config, ())


def _replayed_index(engine: LocalSearchConfig, version: str, store: RecordingStore) -> str:
    from deepeyes_env.search.local.stored import read_contents
    from deepeyes_env.tasks.dataset_error import DatasetError

    if Path(engine.index).exists():
        return read_contents(Path(engine.index)).digest
    known = store.corpora(engine.kind, version)
    if len(known) > 1:
        raise DatasetError(
            store.database.path,
            f"holds answers out of {len(known)} indexes, and the one to replay, {engine.index!r}, is missing",
            "bring the index back; or record each index under a version of its own",
        )
    return known[0] if known else ""


def _origin(config: SearchConfig, corpus: str, version: str) -> Origin:
    """What names the engine in a recording; the same wherever it runs."""
    from deepeyes_env.search.recording.key import Origin

    engine = config.engine
    if not isinstance(engine, LiveSearchConfig):
        kind = "source" if engine is None else engine.kind
        return Origin(f"{kind}/{corpus}" if corpus else kind, version)
    return Origin(
        "+".join(_name(provider) for provider in engine.providers),
        version,
        "+".join(_locale(provider) for provider in engine.providers),
    )


def _name(provider: AnyLiveConfig) -> str:
    match provider:
        case DdgsConfig():
            return f"{provider.kind}/{provider.backend}"
        case LiteLLMSearchConfig():
            return f"{provider.kind}/{provider.provider}"
    return provider.kind


def _locale(provider: AnyLiveConfig) -> str:
    match provider:
        case DdgsConfig():
            return provider.region
        case LiteLLMSearchConfig():
            return provider.country
    return f"{provider.country}-{provider.language}"


def _ledger(config: SearchConfig, store: RecordingStore | None) -> Ledger:
    """The recording's own, else one for all environments of this process with these settings."""
    from deepeyes_env.search.ledger import MemoryLedger
    from deepeyes_env.search.recording.ledger import RecordedLedger

    if store is not None:
        return RecordedLedger(store.database)
    return _LEDGERS.setdefault((os.getpid(), config), MemoryLedger())


_LEDGERS: dict[tuple[int, SearchConfig], MemoryLedger] = {}
