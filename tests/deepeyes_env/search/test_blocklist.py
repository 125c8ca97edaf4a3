"""Pages that give answers away are not found; others are."""

import pytest
from known_engines import ScriptedEngine, failed

from deepeyes_env.search.base import Hit, SearchErrorKind, SearchResponse
from deepeyes_env.search.wrappers.blocklist import BENCHMARK_PAGES, Blocklisted, WithoutQuestion

QUESTION = "In which year was the company whose logo is on the van founded?"


def found(*urls: str, pages: tuple[str, ...] = BENCHMARK_PAGES) -> list[str]:
    hits = tuple(Hit(rank, "t", url) for rank, url in enumerate(urls, 1))
    response = Blocklisted(ScriptedEngine(SearchResponse(hits)), pages).search_text("x")
    assert [hit.rank for hit in response.hits] == list(range(1, len(response.hits) + 1))
    assert (response.error is SearchErrorKind.NO_RESULTS) == (not response.hits)
    return [hit.url for hit in response.hits]


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/datasets/glowol/RealXBench",
        "http://www.HuggingFace.co/datasets/glowol/realxbench/viewer/default/train?p=1",
        "https://huggingface.co/datasets/CaraJ/MMSearch/resolve/main/a.parquet",
        "https://web.archive.org/web/2026/https://huggingface.co/datasets/glowol/RealXBench",
        "https://proxy.example/?u=https%253A%252F%252Fhuggingface.co%252Fdatasets%252Fglowol%252FRealXBench",
        "https://huggingface.co/datasets/Cie1/MMSearch-Plus",
        "https://hf-mirror.com/datasets/lmms-lab/FVQA#x",
        "https://datasets-server.huggingface.co/rows?dataset=glowol%2FRealXBench&split=train",
        "huggingface.co/api/datasets/m-a-p/SimpleVQA",
        "https://huggingface.co/datasets/glowol/RealXBench.git",
    ],
)
def test_a_benchmark_is_not_found(url: str) -> None:
    assert found("https://a.org", url, "https://b.org") == ["https://a.org", "https://b.org"]
    assert found(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/datasets/glowol/RealXBench2",
        "https://huggingface.co/datasets/CaraJ/MMSearch-Other",
        "https://huggingface.co/datasets",
        "https://huggingface.co/glowol",
        "https://nothuggingface.co/datasets/glowol/RealXBench",
        "https://arxiv.org/abs/2511.01833",
        "",
    ],
)
def test_other_pages_are_found(url: str) -> None:
    assert found(url) == [url]


def test_entries_are_the_users() -> None:
    pages = ("https://www.Example.org/answers/", "leak.net")
    blocked = [
        "http://example.org/answers/1",
        "https://sub.example.org/answers",
        "https://leak.net/x",
        "leak.net",
    ]
    kept = ["https://example.org/answersheet", "https://example.org/", "https://noleak.net"]
    assert found(*blocked, *kept, pages=pages) == kept
    assert found(*blocked, pages=()) == blocked


def seen(question: str, *hits: Hit) -> SearchResponse:
    return WithoutQuestion(ScriptedEngine(SearchResponse(hits)), question).search_text("x")


@pytest.mark.parametrize(
    "text",
    [
        f"Q: {QUESTION} A: 1907",
        QUESTION.upper(),
        QUESTION.replace(" ", "\n  "),
        QUESTION.replace("fo", "ｆｏ"),
    ],
)
def test_a_page_with_the_question_is_not_found(text: str) -> None:
    harmless = Hit(2, "A van", "u", "The company was founded in 1907.")
    response = seen(QUESTION, Hit(1, "t", "u", text), harmless)
    assert [hit.title for hit in response.hits] == ["A van"]
    assert seen(QUESTION, Hit(1, text, "u")).error is SearchErrorKind.NO_RESULTS
    assert response.hits[0].rank == 1


def test_a_question_over_title_and_snippet_is_recognised() -> None:
    words = QUESTION.split()
    assert not seen(QUESTION, Hit(1, " ".join(words[:5]), "u", " ".join(words[5:]))).hits


def test_a_question_with_tags_is_recognised_in_a_neutralised_page() -> None:
    question = "What does the tag <image> stand for in this page?"
    assert not seen(question, Hit(1, "t", "u", "What does the tag ‹image> stand for in this page?")).hits


@pytest.mark.parametrize("question", ["What is this?", "Who built it, when?"])
def test_a_short_question_blocks_nothing(question: str) -> None:
    hit = Hit(1, question, "u", f"{question} It is a bridge.")
    assert seen(question, hit).hits == (hit,)


def test_failures_pass() -> None:
    response = failed(SearchErrorKind.TIMEOUT)
    assert Blocklisted(ScriptedEngine(response)).search_text("x") == response
    assert WithoutQuestion(ScriptedEngine(response), QUESTION).search_text("x") == response
