"""A request that failed by bad luck is made again, later."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import tenacity

from deepeyes_env.search.base import SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper

RETRIED = frozenset({SearchErrorKind.RATE_LIMITED, SearchErrorKind.TIMEOUT, SearchErrorKind.UNAVAILABLE})
"""Failures that may pass. A used-up budget, a bad request and a missing operation will not."""


class Retried(Wrapper):
    """Repeats requests with exponential pauses and full jitter.

    A service that says when to come back is believed: the pause begins then. If that is too late, the
    failure is reported at once.
    """

    def __init__(
        self,
        engine: SearchEngine,
        *,
        attempts: int = 4,
        first_seconds: float = 1.0,
        longest_seconds: float = 30.0,
        total_seconds: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Put repetition around an engine.

        Args:
            engine: The engine.
            attempts: Most requests, the first one included.
            first_seconds: Longest first pause; each further one may be twice as long.
            longest_seconds: Longest pause, what a service asks for not counted.
            total_seconds: No pause is begun that would end later than this after the first request.
            sleep: Waits.
        """
        self.engine: SearchEngine = engine
        self._stop = tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(total_seconds)
        self._jitter = tenacity.wait_random_exponential(multiplier=first_seconds, max=longest_seconds)
        self._sleep = sleep

    def answer(self, request: Request) -> SearchResponse:
        """The first response that is final, or the last failure; its cost is that of all attempts."""
        cost = 0.0

        def attempt() -> SearchResponse:
            nonlocal cost
            response = request.put_to(self.engine)
            cost += response.cost
            return response

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda response: response.error in RETRIED),
            stop=self._stop,
            wait=self._pause,
            sleep=self._sleep,
            retry_error_callback=_last,
        )
        return replace(retrying(attempt), cost=cost)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        return (_last(state).retry_after or 0.0) + self._jitter(state)


def _last(state: tenacity.RetryCallState) -> SearchResponse:
    assert state.outcome is not None
    response: SearchResponse = state.outcome.result()
    return response
