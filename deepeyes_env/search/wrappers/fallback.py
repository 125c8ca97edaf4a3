"""Several engines in order: the first one that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deepeyes_env.search.base import (
    Operation,
    SearchEngine,
    SearchErrorKind,
    SearchResponse,
    operations_lacking,
)
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper
from deepeyes_env.search.wrappers.retried import RETRIED


class Fallback(Wrapper):
    """Asks one engine after another until one answers; having no results is an answer.

    When all of them fail, the response is the last failure of those that say least against the policy: one
    that may pass, else another one of the infrastructure, else a refusal, else that none can do it. So an
    engine that lacks an operation never hides what became of those that have it.
    """

    def __init__(self, engines: Sequence[SearchEngine]) -> None:
        """Put engines in order.

        Args:
            engines: At least one, the preferred first.
        """
        self._engines = tuple(engines)

    @property
    def lacks(self) -> frozenset[Operation]:
        """What none of the engines can do."""
        return frozenset.intersection(*map(operations_lacking, self._engines))

    def answer(self, request: Request) -> SearchResponse:
        """The first answer, or the failure to report; its cost is that of all requests made."""
        failures: list[SearchResponse] = []
        cost = 0.0
        for engine in self._engines:
            response = request.put_to(engine)
            cost += response.cost
            if response.error in (None, SearchErrorKind.NO_RESULTS):
                return replace(response, cost=cost)
            failures.append(response)
        details = "; ".join(filter(None, (failure.detail for failure in failures)))
        return replace(max(reversed(failures), key=_innocence), cost=cost, detail=details)


def _innocence(failure: SearchResponse) -> int:
    assert failure.error is not None
    if failure.error is SearchErrorKind.UNSUPPORTED:
        return -1
    return (failure.error in RETRIED) + failure.error.is_infrastructure
