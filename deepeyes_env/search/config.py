"""Which engine searches, and what stands around it: frozen configurations.

Secrets are not settings: a configuration names the environment variable that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from deepeyes_env.errors import require, require_seconds, require_url
from deepeyes_env.search.live.config import DdgsConfig, LiveConfig

RecordingMode = Literal["live", "record", "replay", "replay_or_live"]
"""`live`: no recording is read or written. `record`: every request is made once per process and its answer
takes the place of an earlier one. `replay`: no request is made. `replay_or_live`: what is not recorded is
asked for and recorded; of processes that do so at the same time, all get the answer that was first."""


# --- Engines -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalSearchConfig:
    """An index on this machine, made by `deepeyes search index`.

    Attributes:
        kind: Tag of this engine.
        index: Directory of the index.
    """

    kind: Literal["local"] = "local"
    index: str = ""

    def __post_init__(self) -> None:
        require(bool(self.index), "index", self.index, "the directory of an index (deepeyes search index)")


@dataclass(frozen=True, slots=True)
class RetrieveSearchConfig:
    """A `/retrieve` server as Search-R1's, or `deepeyes serve search`.

    Attributes:
        kind: Tag of this engine.
        url: Address of the server's route.
        timeout_seconds: Wall time of one request (30 s in verl's client of these servers, search note A.1).
    """

    kind: Literal["retrieve"] = "retrieve"
    url: str = "http://127.0.0.1:8000/retrieve"
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        require_url("url", self.url)
        require_seconds("timeout_seconds", self.timeout_seconds)


@dataclass(frozen=True, slots=True)
class LiveSearchConfig:
    """Other people's services, the preferred first.

    Attributes:
        kind: Tag of this engine.
        providers: Each is asked when those before it have failed.
    """

    kind: Literal["live"] = "live"
    providers: tuple[LiveConfig, ...] = (DdgsConfig(),)

    def __post_init__(self) -> None:
        require(bool(self.providers), "providers", self.providers, "at least one provider")


AnyEngineConfig = LocalSearchConfig | RetrieveSearchConfig | LiveSearchConfig
"""The configuration of any engine."""

EngineConfig = Annotated[AnyEngineConfig | None, Field(discriminator="kind")]
"""The same, told apart by `kind`; None is the task source's own engine."""


# --- What stands around them -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """When a failed request is made again: exponential pauses with full jitter, `Retry-After` honoured.

    Attributes:
        attempts: Most requests, the first one included; 1 means that nothing is tried again.
        first_seconds: Longest first pause; each further one may be twice as long.
        longest_seconds: Longest pause, what a service asks for not counted.
        total_seconds: No pause is begun that would end later than this after the first request.
    """

    attempts: int = 4
    first_seconds: float = 1.0
    longest_seconds: float = 30.0
    total_seconds: float = 120.0

    def __post_init__(self) -> None:
        require(self.attempts >= 1, "attempts", self.attempts, "at least 1")
        for key in ("first_seconds", "longest_seconds", "total_seconds"):
            require_seconds(key, getattr(self, key), may_be_zero=True)


@dataclass(frozen=True, slots=True)
class RateConfig:
    """How fast requests leave, for each service; over all processes of a recording, else for each process.

    Attributes:
        per_second: Requests per second in the long run; None means as fast as they come.
        burst: Requests that may follow each other at once after a rest.
        patience_seconds: Longest wait for a turn; then the request fails as rate limited.
    """

    per_second: float | None = None
    burst: int = 1
    patience_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.per_second is not None:
            require(self.per_second > 0, "per_second", self.per_second, "above 0")
        require(self.burst >= 1, "burst", self.burst, "at least 1")
        require_seconds("patience_seconds", self.patience_seconds, may_be_zero=True)


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    """What may be spent; with a recording over its whole life and all its processes, else by each process.

    Attributes:
        queries: Most requests, retries included; None means no limit.
        dollars: US dollars after which no request is made; None means no limit.
    """

    queries: int | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        for key in ("queries", "dollars"):
            limit = getattr(self, key)
            require(limit is None or limit >= 0, key, limit, "at least 0")


@dataclass(frozen=True, slots=True)
class RecordingConfig:
    """Where answers are recorded and found again.

    Attributes:
        path: The SQLite file, on a disk of this machine.
        mode: `live`, `record`, `replay` or `replay_or_live` (`RecordingMode`).
        version: Names what the engine's name, corpus and address do not tell (settings, a service's index).
            Answers of another version are not found: change it when the engine has changed.
        max_miss_rate: Share of a replay's requests without an answer above which the run fails; 0 means that
            the first miss is too many, 1 that none is.
        misses_after: Requests of a process before the share counts.
    """

    path: str
    mode: RecordingMode = "replay_or_live"
    version: str = ""
    max_miss_rate: float = 0.5
    misses_after: int = 100

    def __post_init__(self) -> None:
        require(bool(self.path), "path", self.path, "the path of a file")
        require(0 <= self.max_miss_rate <= 1, "max_miss_rate", self.max_miss_rate, "between 0 and 1")
        require(self.misses_after >= 1, "misses_after", self.misses_after, "at least 1")


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The search tools' engine.

    Attributes:
        engine: `local`, `retrieve` or `live`; None means the task source's own.
        retry: When a failed request is made again.
        rate: How fast requests leave.
        budget: What may be spent.
        recording: Record and replay, or None.
        blocked: Hosts or beginnings of addresses that are never found, beside the benchmarks' own pages.
    """

    engine: EngineConfig = None
    retry: RetryConfig = field(default_factory=RetryConfig)
    rate: RateConfig = field(default_factory=RateConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    recording: RecordingConfig | None = None
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for page in self.blocked:
            require("." in page and len(page) > 3, "blocked", page, "a host as example.org, or a page there")
