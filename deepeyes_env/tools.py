"""Performs an episode's effects: code in its own session, searches in the source's engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from deepeyes_env.protocol import (
    CodeOutput,
    ImageHits,
    InfraFailure,
    RunCode,
    SearchImage,
    SearchText,
    TextHits,
    ToolError,
    ToolResult,
)
from deepeyes_env.sandbox.base import Sandbox, SandboxError, Session
from deepeyes_env.search.base import Hit, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.telemetry import Telemetry

ToolCall = RunCode | SearchText | SearchImage
"""What a tool can be asked for."""


class EpisodeTools:
    """The tools of one episode. The session is opened by the first cell and closed with the episode."""

    def __init__(
        self,
        *,
        sandbox: Callable[[], Sandbox],
        engine: SearchEngine | None,
        images: Callable[[], Sequence[Image.Image]],
        first_image: Callable[[], Image.Image],
        seed: int,
        hits: int,
        telemetry: Telemetry,
    ) -> None:
        """Bind the tools to an episode.

        Args:
            sandbox: Gives the sandbox when it is first needed.
            engine: The search engine, or None when the source has none.
            images: Gives the pictures bound to `image_1`, `image_2`, ...
            first_image: Gives the question's first image as the task has it, to search with.
            seed: Seeds the session.
            hits: Hits per search.
            telemetry: Where times are added up.
        """
        self._sandbox = sandbox
        self._engine = engine
        self._images = images
        self._first_image = first_image
        self._seed = seed
        self._hits = hits
        self._telemetry = telemetry
        self._session: Session | None = None

    def perform(self, call: ToolCall) -> ToolResult:
        """Run a cell or a search. Failures of the infrastructure come back as `InfraFailure`."""
        match call:
            case RunCode(code):
                return self._run(code)
            case SearchText(query):
                return self._search_text(query)
            case SearchImage():
                return self._search_image()

    def close(self) -> None:
        """Close the session, if one was opened. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run(self, code: str) -> CodeOutput | InfraFailure:
        try:
            if self._session is None:
                with self._telemetry.measure("open"):
                    self._session = self._sandbox().open(self._images(), self._seed)
            with self._telemetry.measure("code"):
                cell = self._session.run(code)
        except SandboxError as error:
            return InfraFailure(str(error))
        return CodeOutput(cell.stdout, cell.stderr, cell.images, failed=not cell.ok)

    def _search_text(self, query: str) -> ToolResult:
        if self._engine is None:
            return _NO_ENGINE
        with self._telemetry.measure("search"):
            response = self._engine.search_text(query, self._hits)
        return _search_result(response, lambda hits: TextHits(query, hits))

    def _search_image(self) -> ToolResult:
        if self._engine is None:
            return _NO_ENGINE
        with self._telemetry.measure("image_search"):
            response = self._engine.search_image(self._first_image(), self._hits)
        return _search_result(response, ImageHits)


_NO_ENGINE = ToolError("Error: search is not available for this task.")


def _search_result(
    response: SearchResponse, wrap: Callable[[tuple[Hit, ...]], TextHits | ImageHits]
) -> ToolResult:
    if response.error is None or response.error is SearchErrorKind.NO_RESULTS:
        return wrap(response.hits)
    if response.error.is_infrastructure:
        return InfraFailure(
            f"search failed: {response.error}" + (response.detail and f" ({response.detail})")
        )
    return ToolError("Error: the search engine refused this request.")
