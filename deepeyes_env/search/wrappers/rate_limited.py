"""Requests leave no faster than the service allows."""

from __future__ import annotations

import time
from collections.abc import Callable

from deepeyes_env.search.base import SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.ledger import Ledger
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper


class RateLimited(Wrapper):
    """A token bucket in front of an engine; a ledger on disk makes it one for all processes.

    A request takes its turn and then waits for it without a lock. One that would wait too long takes none
    and fails as `RATE_LIMITED`.
    """

    def __init__(
        self,
        engine: SearchEngine,
        ledger: Ledger,
        *,
        name: str,
        per_second: float,
        burst: int = 1,
        patience_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Put a limit before an engine.

        Args:
            engine: The engine.
            ledger: Where the turns are taken.
            name: Name of the service; engines of one name share its turns.
            per_second: Requests per second in the long run.
            burst: Requests that may follow each other at once after a rest.
            patience_seconds: Longest wait for a turn.
            sleep: Waits.
        """
        self.engine: SearchEngine = engine
        self._ledger = ledger
        self._name = name
        self._interval = 1 / per_second
        self._burst = burst
        self._patience = patience_seconds
        self._sleep = sleep

    def answer(self, request: Request) -> SearchResponse:
        """The engine's response, after a turn has come; what the engine can never do takes none."""
        if request.operation in self.lacks:
            return request.put_to(self.engine)
        wait = self._ledger.take_turn(self._name, self._interval, self._burst, self._patience)
        if wait > self._patience:
            return SearchResponse(
                error=SearchErrorKind.RATE_LIMITED,
                detail=f"{self._name}: no turn within {self._patience:g} s at the configured rate",
                backend=self._name,
                retry_after=wait - self._patience,
            )
        if wait > 0:
            self._sleep(wait)
        return request.put_to(self.engine)
