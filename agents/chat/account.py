"""What the requests of a process have used up: tokens and money."""

from __future__ import annotations

from dataclasses import dataclass

from agents.chat.config import ChatBudget, ChatPrices
from agents.chat.refused import ChatRefused
from deepeyes_env.search.ledger import within

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request.

    Attributes:
        input: Tokens sent.
        output: Tokens that came back.
        cached: Those of `input` that the service still had.
    """

    input: int
    output: int
    cached: int = 0

    @property
    def total(self) -> int:
        """Tokens in both directions."""
        return self.input + self.output


@dataclass(slots=True)
class Account:
    """Adds up the usage of requests and knows its limits.

    Attributes:
        prices: What tokens cost.
        budget: What may be used up.
        requests: Requests that were answered, also in part.
        estimated: Those of them whose tokens the service did not tell: the stream broke or was closed early.
        input: Tokens sent.
        output: Tokens that came back.
        cached: Those of `input` that the service still had.
    """

    prices: ChatPrices
    budget: ChatBudget
    requests: int = 0
    estimated: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in both directions."""
        return self.input + self.output

    @property
    def dollars(self) -> float:
        """What they cost, in US dollars."""
        prices = self.prices
        cached_price = prices.input if prices.cached_input is None else prices.cached_input
        fresh = self.input - self.cached
        return (fresh * prices.input + self.cached * cached_price + self.output * prices.output) / MILLION

    @property
    def mean_output(self) -> float:
        """Tokens that come back from a request, on average; 0 before the first."""
        return self.output / self.requests if self.requests else 0.0

    def add(self, usage: Usage, *, estimated: bool) -> None:
        """Count one request."""
        self.requests += 1
        self.estimated += estimated
        self.input += usage.input
        self.output += usage.output
        self.cached += min(usage.cached, usage.input)

    def require_room(self) -> None:
        """Refuse a request when the budget is used up.

        Raises:
            ChatRefused: It is.
        """
        for name, used, limit in (
            ("dollars", self.dollars, self.budget.dollars),
            ("tokens", self.tokens, self.budget.tokens),
        ):
            if not within(used, limit):
                raise ChatRefused(f"the budget of {limit:g} {name} is used up: {self}; raise budget.{name}")

    def __str__(self) -> str:
        cached = f" ({self.cached:,} of them cached)" if self.cached else ""
        text = f"{self.requests} requests, {self.input:,} tokens in{cached}, {self.output:,} out"
        text += f", {self.estimated} estimated" if self.estimated else ""
        return text + (f", {self.dollars:.4f} US dollars" if self.prices != ChatPrices() else "")
