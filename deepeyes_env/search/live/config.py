"""Which service is asked: one frozen configuration per kind, and `open_live`.

Keys are not settings: a configuration names the environment variable that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from deepeyes_env.errors import require, require_seconds, require_url

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine


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
        require_seconds("timeout_seconds", self.timeout_seconds)
        require(self.max_results >= 1, "max_results", self.max_results, "at least 1")
        require("-" in self.region, "region", self.region, "a country and a language such as us-en")


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
        if self.base_url:
            require_url("base_url", self.base_url)
        require_seconds("timeout_seconds", self.timeout_seconds)


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
        require_seconds("timeout_seconds", self.timeout_seconds)
        require_url("base_url", self.base_url)
        require(self.dollars_per_credit >= 0, "dollars_per_credit", self.dollars_per_credit, "at least 0")


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
        require_seconds("timeout_seconds", self.timeout_seconds)
        require_url("base_url", self.base_url)
        require(self.dollars_per_search >= 0, "dollars_per_search", self.dollars_per_search, "at least 0")


AnyLiveConfig = DdgsConfig | LiteLLMSearchConfig | SerperConfig | SerpApiConfig

LiveConfig = Annotated[AnyLiveConfig, Field(discriminator="kind")]
"""The configuration of any live engine, told apart by `kind`."""


def open_live(config: AnyLiveConfig) -> SearchEngine:
    """The engine that `config` describes; nothing is sent before its first search.

    Raises:
        ConfigError: A library or a key is missing, or a setting cannot be used.
    """
    match config:
        case DdgsConfig():
            from deepeyes_env.search.live.duckduckgo import DdgsEngine

            return DdgsEngine(config)
        case LiteLLMSearchConfig():
            from deepeyes_env.search.live.litellm_search import LiteLLMSearchEngine

            return LiteLLMSearchEngine(config)
        case SerperConfig():
            from deepeyes_env.search.live.serper import SerperEngine

            return SerperEngine(config)
        case SerpApiConfig():
            from deepeyes_env.search.live.serpapi import SerpApiEngine

            return SerpApiEngine(config)
