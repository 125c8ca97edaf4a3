"""Pages that give a benchmark's answers away are never found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import unquote

from deepeyes_env.protocol import neutralise
from deepeyes_env.search.base import Hit, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.normal_form import normal_form
from deepeyes_env.search.request import Request
from deepeyes_env.search.wrappers.base import Wrapper

BENCHMARK_DATA = (
    "glowol/RealXBench", "craigwu/vstar_bench", "xjtupanda/VStar_Bench", "DreamMr/HR-Bench",
    "yifanzhang114/MME-RealWorld", "yifanzhang114/MME-RealWorld-Base64", "HaochenWang/TreeBench",
    "echo840/OCRBench", "doolayer/SEED-Bench-2-Plus", "princeton-nlp/CharXiv", "lmms-lab-encoder/ChartQA",
    "AI4Math/MathVista", "CaraJ/MathVerse-lmmseval", "MathLLMs/MathVision", "We-Math/We-Math",
    "kcz358/DynaMath", "lscpku/LogicVista", "lmms-lab/FVQA", "CaraJ/MMSearch", "m-a-p/SimpleVQA",
    "honglyhly/DeepEyesV2_Search_Cache", "Agents-X/TIR-Bench", "sensenova/HR-MMSearch", "Cie1/MMSearch-Plus",
    "Osilly/VDR-Bench", "Osilly/VDR-Bench-testmini", "hyeminboo/HARDBench", "moonshotai/PerceptionBench",
    "UnipatAI/BabyVision", "jonathan-roberts1/zerobench", "AI4Math/MathVerse", "lmms-lab/ChartQA",
    "lmms-lab/vstar-bench", "lmms-lab-encoder/vstar-bench", "yifanzhang114/MME-RealWorld-Lite",
    "yifanzhang114/MME-RealWorld-lite-lmms-eval", "Mini-o3/VisualProbe_Easy", "Mini-o3/VisualProbe_Medium",
    "Mini-o3/VisualProbe_Hard", "AILab-CVC/SEED-Bench-2-plus",
)  # fmt: skip
"""Data sets of the benchmarks on Hugging Face (search note C.1-C.3). Their papers are not blocked: an
abstract gives no answer away, and a page that shows a question is recognised by the question."""

BENCHMARK_PAGES = tuple(
    page
    for name in BENCHMARK_DATA
    for page in (
        f"huggingface.co/datasets/{name}",
        f"huggingface.co/api/datasets/{name}",
        f"hf.co/datasets/{name}",
        f"hf-mirror.com/datasets/{name}",
        f"dataset={name}",  # datasets-server.huggingface.co/rows?dataset=...
    )
)
"""Addresses that are blocked without being asked to."""

MIN_QUESTION = 20
"""Characters of the shortest question that pages are searched for: "What is this?" is on too many."""


class Blocklisted(Wrapper):
    """Leaves out hits by their address.

    An entry is a host with or without the beginning of a path, `example.org/answers`. It also stands for its
    subdomains, its pages and copies whose address holds it (web archives, proxies).
    """

    def __init__(self, engine: SearchEngine, pages: Sequence[str] = BENCHMARK_PAGES) -> None:
        """Put a blocklist around an engine."""
        self.engine: SearchEngine = engine
        # No longer host and no longer name: `x.co` is not `ax.co`, `MMSearch` is not `MMSearch-Plus`.
        entries = "|".join(re.escape(_entry(page)) for page in pages)
        self._blocked = re.compile(rf"(?<![\w-])(?:{entries})(?![\w-])") if pages else None

    def answer(self, request: Request) -> SearchResponse:
        """The engine's response without blocked hits."""
        return _without(request.put_to(self.engine), self._blocks)

    def _blocks(self, hit: Hit) -> bool:
        return bool(self._blocked and self._blocked.search(_plain(hit.url)))


class WithoutQuestion(Wrapper):
    """An episode's view of an engine: leaves out hits that hold its question word for word.

    Such a page was written about the benchmark, and the answer stands beside the question.
    """

    def __init__(self, engine: SearchEngine, question: str) -> None:
        """Look at an engine from an episode.

        Args:
            engine: The engine.
            question: The episode's question; one of less than `MIN_QUESTION` characters blocks nothing.
        """
        self.engine: SearchEngine = engine
        self._question = normal_form(neutralise(question))

    def answer(self, request: Request) -> SearchResponse:
        """The engine's response without hits that hold the question."""
        response = request.put_to(self.engine)
        return _without(response, self._holds_it) if len(self._question) >= MIN_QUESTION else response

    def _holds_it(self, hit: Hit) -> bool:
        return self._question in normal_form(neutralise(f"{hit.title} {hit.snippet}"))


def _entry(page: str) -> str:
    return _plain(page).split("://")[-1].removeprefix("www.").rstrip("/")


def _plain(address: str) -> str:
    """An address in one spelling: in lower case, without percent signs."""
    for _ in range(3):  # an archive quotes the address, a redirect once more
        address = unquote(address)
    return normal_form(address)


def _without(response: SearchResponse, unwanted: Callable[[Hit], bool]) -> SearchResponse:
    kept = [hit for hit in response.hits if not unwanted(hit)]
    if len(kept) == len(response.hits):
        return response
    ranked = tuple(replace(hit, rank=rank) for rank, hit in enumerate(kept, 1))
    return replace(response, hits=ranked, error=None if ranked else SearchErrorKind.NO_RESULTS)
