"""Which engine searches, and what stands around it: frozen configurations.

Secrets are not settings: a configuration names the environment variable that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from deepeyes_env.errors import ConfigError, require

RecordingMode = Literal["live", "record", "replay", "replay_or_live"]
"""`live`: no recording is read or written. `record`: every request is made once per process and its answer
takes the place of an earlier one. `replay`: no request is made. `replay_or_live`: what is not recorded is
asked for and recorded; of processes that do so at the same time, all get the answer that was first."""


def _require_url(key: str, url: str) -> None:
    parts = urlsplit(url)
    require(parts.scheme in ("http", "https") and bool(parts.hostname), key, url, "an http(s) URL")
    if parts.username or parts.password:
        raise ConfigError(f"{key}: no credentials in it; put a key into an environment variable")


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
        url: Address of the server.
    """

    kind: Literal["retrieve"] = "retrieve"
    url: str = "http://127.0.0.1:8000/retrieve"

    def __post_init__(self) -> None:
        _require_url("url", self.url)


@dataclass(frozen=True, slots=True)
class DdgsConfig:
    """Text search by ddgs.

    Attributes:
        kind: Tag of this engine.
        backend: Whose result page is read: `duckduckgo`, `brave`, `mojeek`, `yahoo`, `wikipedia`, ...
        region: Country and language.
        safesearch: `on`, `moderate` or `off`.
        timeout_seconds: Wall time of one search.
        max_results: Most hits of one search, whatever is asked for.
        certificates: File with the certificates to trust, for a proxy that has its own; empty means the usual
            ones.
    """

    kind: Literal["ddgs"] = "ddgs"
    backend: str = "duckduckgo"
    region: str = "us-en"
    safesearch: Literal["on", "moderate", "off"] = "moderate"
    timeout_seconds: float = 10.0
    max_results: int = 10
    certificates: str = ""

    def __post_init__(self) -> None:
        require(self.timeout_seconds > 0, "timeout_seconds", self.timeout_seconds, "above 0")
        require(self.max_results >= 1, "max_results", self.max_results, "at least 1")


@dataclass(frozen=True, slots=True)
class LiteLLMSearchConfig:
    """Text search by one of LiteLLM's providers.

    Attributes:
        kind: Tag of this engine.
        provider: LiteLLM's name of it: `perplexity`, `tavily`, `brave`, `exa_ai`, `searxng`, ...
        key_variable: Environment variable with the key; empty means where LiteLLM looks for it itself
            (`TAVILY_API_KEY`, ...; `SEARXNG_API_BASE` for an address).
        base_url: Address of the service; empty means the provider's own. LiteLLM sends a key that it found
            itself to no other address: name `key_variable` as well.
        country: Two letters; empty means the provider's default.
        timeout_seconds: Wall time of one search.
    """

    kind: Literal["litellm"] = "litellm"
    provider: str = "tavily"
    key_variable: str = ""
    base_url: str = ""
    country: str = ""
    timeout_seconds: float = 20.0

    def __post_init__(self) -> None:
        require(self.timeout_seconds > 0, "timeout_seconds", self.timeout_seconds, "above 0")
        if self.base_url:
            _require_url("base_url", self.base_url)


@dataclass(frozen=True, slots=True)
class SerperConfig:
    """Serper.

    Attributes:
        kind: Tag of this engine.
        key_variable: Environment variable with the key.
        base_url: Address of the service.
        country: Google's `gl`.
        language: Google's `hl`.
        timeout_seconds: Wall time of one search, the upload included; thumbnails have their own.
        dollars_per_credit: Price of one credit; a reply says how many it took. $1.00 per 1,000 in the
            smallest package, $0.30 in the largest (LiteLLM 1.110's table of prices).
        upload: `module:function` that gives a picture a public address (`live.upload`); empty means that
            there is no image search.
        thumbnails: Whether the pictures of image hits are fetched, from strangers' addresses.
    """

    kind: Literal["serper"] = "serper"
    key_variable: str = "SERPER_API_KEY"
    base_url: str = "https://google.serper.dev"
    country: str = "us"
    language: str = "en"
    timeout_seconds: float = 20.0
    dollars_per_credit: float = 0.001
    upload: str = ""
    thumbnails: bool = False

    def __post_init__(self) -> None:
        require(self.timeout_seconds > 0, "timeout_seconds", self.timeout_seconds, "above 0")
        require(self.dollars_per_credit >= 0, "dollars_per_credit", self.dollars_per_credit, "at least 0")
        _require_url("base_url", self.base_url)


@dataclass(frozen=True, slots=True)
class SerpApiConfig:
    """SerpAPI.

    Attributes:
        kind: Tag of this engine.
        key_variable: Environment variable with the key.
        base_url: Address of the service.
        country: Google's `gl`; Lens calls it `country`.
        language: Google's `hl`.
        timeout_seconds: Wall time of one search, the upload included; thumbnails have their own.
        dollars_per_search: Price of a search that succeeded; others are free. $75 for 5,000
            (`search-and-benchmarks` A.2).
        upload: `module:function` that gives a picture a public address (`live.upload`); empty means that
            there is no image search.
        thumbnails: Whether the pictures of image hits are fetched, from strangers' addresses.
    """

    kind: Literal["serpapi"] = "serpapi"
    key_variable: str = "SERPAPI_API_KEY"
    base_url: str = "https://serpapi.com"
    country: str = "us"
    language: str = "en"
    timeout_seconds: float = 30.0
    dollars_per_search: float = 0.015
    upload: str = ""
    thumbnails: bool = False

    def __post_init__(self) -> None:
        require(self.timeout_seconds > 0, "timeout_seconds", self.timeout_seconds, "above 0")
        require(self.dollars_per_search >= 0, "dollars_per_search", self.dollars_per_search, "at least 0")
        _require_url("base_url", self.base_url)


AnyProviderConfig = DdgsConfig | LiteLLMSearchConfig | SerperConfig | SerpApiConfig
"""The configuration of any live service."""

ProviderConfig = Annotated[AnyProviderConfig, Field(discriminator="kind")]
"""The same, told apart by `kind`."""


@dataclass(frozen=True, slots=True)
class LiveSearchConfig:
    """Other people's services, the preferred first.

    Attributes:
        kind: Tag of this engine.
        providers: Each is asked when those before it have failed.
    """

    kind: Literal["live"] = "live"
    providers: tuple[ProviderConfig, ...] = (DdgsConfig(),)

    def __post_init__(self) -> None:
        require(bool(self.providers), "providers", self.providers, "at least one provider")


AnyEngineConfig = LocalSearchConfig | RetrieveSearchConfig | LiveSearchConfig
"""The configuration of any engine."""

EngineConfig = Annotated[AnyEngineConfig, Field(discriminator="kind")]
"""The same, told apart by `kind`."""


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
            require(getattr(self, key) >= 0, key, getattr(self, key), "at least 0")


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
        require(self.patience_seconds >= 0, "patience_seconds", self.patience_seconds, "at least 0")


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
        version: Names the state of the engine (its index, its settings). Answers of another version are not
            found: change it when the engine has changed.
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

    engine: EngineConfig | None = None
    retry: RetryConfig = field(default_factory=RetryConfig)
    rate: RateConfig = field(default_factory=RateConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    recording: RecordingConfig | None = None
    blocked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for page in self.blocked:
            require("." in page and len(page) > 3, "blocked", page, "a host as example.org, or a page there")
