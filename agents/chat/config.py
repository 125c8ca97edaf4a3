"""Which chat server speaks, what it takes, and what it may cost: frozen configurations.

Keys are not settings: a configuration names the environment variable that holds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from deepeyes_env.errors import require, require_seconds, require_url
from deepeyes_env.search.config import RetryConfig


@dataclass(frozen=True, slots=True)
class ChatPrices:
    """What tokens cost, in US dollars per million.

    Attributes:
        input: Of what is sent.
        cached_input: Of what is sent and the service still had; None means as much as any other.
        output: Of what comes back, reasoning included.
    """

    input: float = 0.0
    cached_input: float | None = None
    output: float = 0.0

    def __post_init__(self) -> None:
        for key in ("input", "cached_input", "output"):
            price = getattr(self, key)
            require(price is None or price >= 0, key, price, "at least 0")


@dataclass(frozen=True, slots=True)
class ChatRates:
    """How fast requests leave this process, retries included; None means as fast as they come.

    Attributes:
        requests_per_minute: Requests.
        tokens_per_minute: Tokens in both directions. What a request will take is estimated before it, and put
            right after it.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for key in ("requests_per_minute", "tokens_per_minute"):
            rate = getattr(self, key)
            require(rate is None or rate > 0, key, rate, "above 0")


@dataclass(frozen=True, slots=True)
class ChatBudget:
    """What this process may use up; requests under way when it runs out may still exceed it.

    Attributes:
        dollars: US dollars at the configured prices; None means no limit.
        tokens: Tokens in both directions; None means no limit.
    """

    dollars: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for key in ("dollars", "tokens"):
            limit = getattr(self, key)
            require(limit is None or limit >= 0, key, limit, "at least 0")


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """A model behind an OpenAI-compatible chat API that takes images.

    Attributes:
        model: Its name on the server.
        base_url: Address up to and including `/v1`.
        api_key_variable: Environment variable with the key; unset means no key, as for a server of one's own.
        stop: Whether the server takes stop strings. Where it does not, as `transformers serve` with a model
            that sees, its stream is closed at the first one.
        sampling: Whether the model takes a temperature and a seed; hosted reasoning models take neither.
        length_key: What the server calls the longest turn in tokens; newer models of OpenAI take
            `max_completion_tokens` only, most servers `max_tokens`.
        timeout_seconds: Wall time of one request, its stream included (the openai package's default).
        retry: When a failed request is made again.
        rates: How fast requests leave.
        prices: What tokens cost.
        budget: What may be used up.
    """

    model: str
    base_url: str = "https://api.openai.com/v1"
    api_key_variable: str = "OPENAI_API_KEY"
    stop: bool = True
    sampling: bool = True
    length_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    timeout_seconds: float = 600.0
    retry: RetryConfig = field(default_factory=lambda: RetryConfig(attempts=5, total_seconds=900.0))
    rates: ChatRates = field(default_factory=ChatRates)
    prices: ChatPrices = field(default_factory=ChatPrices)
    budget: ChatBudget = field(default_factory=ChatBudget)

    def __post_init__(self) -> None:
        require(bool(self.model.strip()), "model", self.model, "the model's name on the server")
        require_url("base_url", self.base_url)
        require_seconds("timeout_seconds", self.timeout_seconds)
        free = not (self.prices.input or self.prices.output)
        if self.budget.dollars is not None and free:
            require(
                False, "budget.dollars", self.budget.dollars, "beside prices, else nothing costs anything"
            )
