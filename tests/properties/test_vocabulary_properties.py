from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from agents.tiny import build_tokenizer
from agents.vocabulary import BANNED_TOKENS, Vocabulary


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(build_tokenizer(["user\nassistant\n<think>What is it?</think>"]))


@given(st.one_of(st.text(max_size=40), st.sampled_from(["", "\n", "assistant\n", *BANNED_TOKENS])))
def test_encoding_again_gives_the_tokenizers_ids_in_a_list_of_its_own(text: str) -> None:
    expected = vocabulary().tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    first = vocabulary().encode(text)
    assert first == expected
    first.append(-1)
    assert vocabulary().encode(text) == expected
    assert vocabulary().banned_ids.isdisjoint(expected)
