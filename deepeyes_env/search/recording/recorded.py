"""Answers are taken from a recording, or asked for and recorded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from deepeyes_env.search.base import SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.config import RecordingMode
from deepeyes_env.search.recording.key import Origin, canonical, key_of
from deepeyes_env.search.recording.single_flight import SingleFlight
from deepeyes_env.search.recording.store import RecordingStore
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper
from deepeyes_env.stripes import Stripes
from deepeyes_env.tasks.dataset_error import DatasetError

RECENT = 1024
"""Answers kept in memory: the rollouts of one prompt ask the same within minutes. At five thumbnails of 20 kB
each some 100 MB at most."""


class TooManyMissesError(DatasetError):
    """A recording answers too few of a run's requests for its results to mean anything."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the requests of one process.

    Attributes:
        requests: Requests that an engine could answer.
        misses: Those among them that a replayed recording had no answer for.
        dollars: What those cost that a service answered.
    """

    requests: int = 0
    misses: int = 0
    dollars: float = 0.0

    @property
    def miss_rate(self) -> float:
        """Misses per request; 0 when there was none."""
        return self.misses / self.requests if self.requests else 0.0


class Recorded(Wrapper):
    """Record and replay, with the latest answers in memory.

    Requests that are the same at the same time are made once. What is recorded is what the policy may learn
    from: hits, no results, that a tool is not there, that a request was refused. Failures of the
    infrastructure are not. Outside of a replay what a service refused is asked again, because settings may be
    the reason, and a tool that was not there once the engine has it.
    Answers without a request are marked `recorded` and cost nothing.

    Unlike a failed request, a recording that is damaged or misses too much ends the run: it raises.
    """

    def __init__(
        self,
        engine: SearchEngine | None,
        store: RecordingStore | None,
        *,
        mode: RecordingMode,
        origin: Origin,
        max_miss_rate: float = 1.0,
        misses_after: int = 1,
    ) -> None:
        """Put a recording around an engine.

        Args:
            engine: The engine; None in `replay`, where none is needed.
            store: The recording; None in `live`, where none is read or written.
            mode: See `RecordingMode`.
            origin: Names the engine in the keys.
            max_miss_rate: Share of misses in a replay above which the run fails.
            misses_after: Requests before the share counts; a single early miss is half of two.
        """
        self.engine = None if mode == "replay" else engine
        self._store = None if mode == "live" else store
        self._mode = mode
        self._origin = origin
        self._max_miss_rate, self._misses_after = max_miss_rate, misses_after
        self._flights: SingleFlight[SearchResponse] = SingleFlight()
        self._locks = Stripes()
        self._recent: OrderedDict[str, SearchResponse] = OrderedDict()
        self._asked: set[str] = set()
        self._tally = Tally()

    @property
    def tally(self) -> Tally:
        """Requests, misses and money so far, of this process."""
        return self._tally

    def answer(self, request: Request) -> SearchResponse:
        """The recorded response, else as the mode says.

        Raises:
            TooManyMissesError: The recording of a replay has too few answers.
            DatasetError: The recording is damaged, or cannot be written.
        """
        text = canonical(request, self._origin)
        key = key_of(text)
        response, made = self._flights.do(key, lambda: self._find(key, text, request))
        self._count(missed=response is _MISS, dollars=response.cost if made else 0.0)
        return response if made else _without_request(response)

    def _find(self, key: str, text: str, request: Request) -> SearchResponse:
        known = self._remembered(key)
        if known is None and self._store is not None and self._may_read(key):
            known = self._store.get(key)
        if known is not None and not self._is_outlived(known, request):
            self._remember(key, known)
            return _without_request(known)
        return _MISS if self.engine is None else self._ask(self.engine, key, text, request)

    def _is_outlived(self, known: SearchResponse, request: Request) -> bool:
        """Whether an answer says of the engine what need no longer be true."""
        if self.engine is None:
            return False
        if known.error is SearchErrorKind.UNSUPPORTED:
            return request.operation not in self.lacks
        return _may_pass(known)

    def _ask(self, engine: SearchEngine, key: str, text: str, request: Request) -> SearchResponse:
        response = request.put_to(engine)
        if response.error is not None and response.error.is_infrastructure:
            return response
        kept = response
        if self._store is not None:
            kept = self._store.put(key, text, response, replace=self._mode == "record")
            if self._mode == "record":
                self._asked.add(key)
        self._remember(key, kept)
        return replace(kept, cost=response.cost)

    def _may_read(self, key: str) -> bool:
        return self._mode != "record" or key in self._asked

    def _remembered(self, key: str) -> SearchResponse | None:
        with self._locks.of(0):
            if key in self._recent:
                self._recent.move_to_end(key)
            return self._recent.get(key)

    def _remember(self, key: str, response: SearchResponse) -> None:
        with self._locks.of(0):
            self._recent[key] = response
            self._recent.move_to_end(key)
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)

    def _count(self, *, missed: bool, dollars: float) -> None:
        with self._locks.of(0):
            before = self._tally
            tally = Tally(before.requests + 1, before.misses + missed, before.dollars + dollars)
            self._tally = tally
        if missed and tally.requests >= self._misses_after and tally.miss_rate > self._max_miss_rate:
            assert self._store is not None
            raise TooManyMissesError(
                self._store.database.path,
                f"the recording has no answer for {tally.misses} of {tally.requests} requests, more than the "
                f"{self._max_miss_rate:.0%} that max_miss_rate allows",
                "record the missing ones with mode = 'replay_or_live', or allow more",
            )


_MISS = SearchResponse(
    error=SearchErrorKind.NO_RESULTS, detail="the recording has no answer", backend="recording", recorded=True
)


def _may_pass(response: SearchResponse) -> bool:
    """Whether a failure says nothing about the next time: an outage, or a service's own refusal."""
    if response.error is SearchErrorKind.BAD_REQUEST:
        return not response.recorded
    return response.error is not None and response.error.is_infrastructure


def _without_request(response: SearchResponse) -> SearchResponse:
    return replace(response, recorded=True, cost=0.0)
