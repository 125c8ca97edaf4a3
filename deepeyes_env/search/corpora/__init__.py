"""Corpora of any user: JSON Lines, a folder of texts and captioned pictures, a Hugging Face data set."""

from __future__ import annotations

from pathlib import Path

from deepeyes_env.search.corpora.document import Corpus, Document, Picture
from deepeyes_env.search.corpora.folder import FolderCorpus
from deepeyes_env.search.corpora.hugging_face import Columns, HuggingFaceCorpus
from deepeyes_env.search.corpora.json_lines import JsonLinesCorpus
from deepeyes_env.tasks.dataset_error import DatasetError

__all__ = [
    "Columns",
    "Corpus",
    "Document",
    "FolderCorpus",
    "HuggingFaceCorpus",
    "JsonLinesCorpus",
    "Picture",
    "open_corpus",
]

HUB = "hf:"
"""What a source begins with that is a Hugging Face data set."""


def open_corpus(
    source: str, columns: Columns | None = None, split: str = "train", subset: str | None = None
) -> Corpus:
    """Open a corpus.

    Args:
        source: A JSON Lines file, a folder, or `hf:` and the name or the path of a Hugging Face data set.
        columns: Which columns of a Hugging Face data set hold what; default: `Columns()`.
        split: Split of a Hugging Face data set.
        subset: Subset of a Hugging Face data set.

    Raises:
        ConfigError: A library is missing.
        DatasetError: There is no such thing, or nothing in it.
    """
    if source.startswith(HUB):
        return HuggingFaceCorpus(source.removeprefix(HUB), columns or Columns(), split, subset)
    path = Path(source)
    if path.is_dir():
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            return HuggingFaceCorpus(source, columns or Columns(), split, subset)
        return FolderCorpus(path)
    if not path.exists():
        raise DatasetError(
            source, "is not there", "give a JSON Lines file, a folder, or hf:NAME for a data set of the hub"
        )
    return JsonLinesCorpus(path)
