"""The tokenizer beside a run, without which its ids mean nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

from agents.store import RECORDS, StoreError
from agents.vocabulary import Vocabulary

TOKENIZER = "tokenizer"
"""Where a run keeps it."""


def keep_tokenizer(run: Path, vocabulary: Vocabulary) -> None:
    """Lay a tokenizer beside the records that will be written with it; a run has one.

    Args:
        run: The run's directory.
        vocabulary: The tokenizer.

    Raises:
        StoreError: The run's records are of another one, or of one that nobody knows any more.
    """
    own = run / TOKENIZER
    if own.is_dir():
        if _words(own) != vocabulary.tokenizer.get_vocab():
            raise StoreError(f"{run} holds trajectories of another tokenizer; choose another directory")
        return
    records = run / RECORDS
    if records.is_file() and records.stat().st_size:
        raise StoreError(f"{run} holds trajectories whose tokenizer is not there; choose another directory")
    unfinished = run / f".{TOKENIZER}"
    shutil.rmtree(unfinished, ignore_errors=True)
    vocabulary.tokenizer.save_pretrained(unfinished)
    unfinished.rename(own)


def _words(directory: Path) -> dict[str, int]:
    from transformers import AutoTokenizer

    try:
        words: dict[str, int] = AutoTokenizer.from_pretrained(directory).get_vocab()
    except (OSError, ValueError) as error:
        raise StoreError(f"{directory} is no tokenizer ({error}); choose another directory") from error
    return words
