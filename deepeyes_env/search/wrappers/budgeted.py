"""A run makes no more requests, and spends no more, than it may."""

from __future__ import annotations

from deepeyes_env.search.base import SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.ledger import Ledger
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper


class Budgeted(Wrapper):
    """Counts the requests that an engine makes and what they cost; past a limit it answers `BUDGET`.

    Costs are known after a request, so that those under way when the money runs out may still exceed it.
    Recorded answers are no requests: they belong outside this wrapper.
    """

    def __init__(
        self,
        engine: SearchEngine,
        ledger: Ledger,
        *,
        queries: int | None = None,
        dollars: float | None = None,
    ) -> None:
        """Put limits on an engine.

        Args:
            engine: The engine.
            ledger: The count, shared by all that spend from one budget.
            queries: Most requests, or None.
            dollars: US dollars after which no request is made, or None.
        """
        self.engine: SearchEngine = engine
        self._ledger = ledger
        self._queries, self._dollars = queries, dollars

    def answer(self, request: Request) -> SearchResponse:
        """The engine's response, or `BUDGET`; what the engine can never do makes no request and is free."""
        if request.operation in self.lacks:
            return request.put_to(self.engine)
        if not self._ledger.book(self._queries, self._dollars):
            queries, dollars = self._ledger.spent()
            detail = f"the budget is used up: {queries} requests, {dollars:.2f} US dollars"
            return SearchResponse(error=SearchErrorKind.BUDGET, detail=detail)
        response = request.put_to(self.engine)
        if response.cost:
            self._ledger.pay(response.cost)
        return response
