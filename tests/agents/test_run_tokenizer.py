"""A run has one tokenizer, which stays beside it."""

import pytest
from talk import scripted, vocabulary

from agents.run_tokenizer import TOKENIZER, keep_tokenizer
from agents.store import StoreError, TrajectoryWriter
from agents.tiny import build_tokenizer
from agents.vocabulary import Vocabulary


def test_it_is_kept_and_may_be_kept_again(tmp_path):
    for _ in range(2):
        keep_tokenizer(tmp_path, vocabulary())
    assert [path.name for path in tmp_path.iterdir()] == [TOKENIZER]


def test_another_one_is_refused_and_the_first_stays(tmp_path):
    keep_tokenizer(tmp_path, vocabulary())
    before = (tmp_path / TOKENIZER / "tokenizer.json").read_bytes()
    with pytest.raises(StoreError, match="another tokenizer; choose another directory"):
        keep_tokenizer(tmp_path, Vocabulary(build_tokenizer(["a few other words"])))
    assert (tmp_path / TOKENIZER / "tokenizer.json").read_bytes() == before


def test_records_of_an_unknown_one_are_not_given_any(tmp_path):
    with TrajectoryWriter(tmp_path) as writer:
        keep = tmp_path / TOKENIZER
        writer.append(scripted())
        with pytest.raises(StoreError, match="whose tokenizer is not there"):
            keep_tokenizer(tmp_path, vocabulary())
    assert not keep.exists()


def test_what_is_no_tokenizer_is_named(tmp_path):
    (tmp_path / TOKENIZER).mkdir()
    with pytest.raises(StoreError, match="is no tokenizer"):
        keep_tokenizer(tmp_path, vocabulary())
