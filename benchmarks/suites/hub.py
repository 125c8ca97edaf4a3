"""A release on the Hugging Face hub, at one commit that is told.

The commit is resolved before anything is loaded, so that the rows are those of the commit that is noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.suites.suite import Release
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT = re.compile(r"[0-9a-f]{7,39}")
_MEND = "look at the network and at access to it (`hf auth login`), or give a copy by path"


class HubTable:
    """The rows of one split; pictures stay encoded.

    Attributes:
        split: The split that was loaded.
    """

    def __init__(self, release: Release, commit: str) -> None:
        """Load the release, which may have to be downloaded.

        Where it has one split, that is loaded whatever its name.

        Args:
            release: What to load.
            commit: At which commit.

        Raises:
            ConfigError: The library is not installed.
            DatasetError: It cannot be loaded.
        """
        try:
            import datasets
        except ImportError as error:
            raise ConfigError("the hub needs datasets: pip install 'deepeyes-gym[eval]'") from error
        try:
            splits = datasets.get_dataset_split_names(release.hub, release.config, revision=commit)
            self.split = splits[0] if len(splits) == 1 else release.split
            rows = datasets.load_dataset(release.hub, release.config, split=self.split, revision=commit)
        except Exception as error:  # the library lets through whatever its readers and its network raise
            raise DatasetError(release.hub, f"cannot be loaded at {commit} ({error})", _MEND) from error
        self._hub = release.hub
        self._rows = rows.cast(_undecoded(rows.features))

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number`.

        Raises:
            DatasetError: A picture is no longer in the cache.
        """
        try:
            return {column: _with_bytes(value) for column, value in self._rows[number].items()}
        except OSError as error:
            raise DatasetError(
                self._hub, f"a picture cannot be read ({error})", "fetch the data set again", row=number
            ) from error


def fetch(hub: str, commit: str) -> Path:
    """The folder of all files of a data set, which may have to be downloaded.

    Raises:
        DatasetError: They cannot be had.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, repo_type="dataset", revision=commit))
    except Exception as error:  # network, access, disk: whatever the library raises
        raise DatasetError(hub, f"cannot be fetched at {commit} ({error})", _MEND) from error


def resolve(hub: str, revision: str | None) -> str:
    """The commit that a revision stands for now; a whole hash stands for itself.

    Raises:
        ConfigError: The library is not installed.
        DatasetError: The hub does not say, or knows no such commit.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    try:
        import huggingface_hub  # noqa: F401  -- told apart from a hub that does not answer
    except ImportError as error:
        raise ConfigError("the hub needs datasets: pip install 'deepeyes-gym[eval]'") from error
    try:
        commits = _commits(hub, revision)
    except Exception as error:  # network, access, offline mode: whatever the library raises
        raise DatasetError(
            hub, f"the hub does not tell the commit of {revision or 'its main branch'} ({error})", _MEND
        ) from error
    if len(commits) != 1:
        raise DatasetError(
            hub, f"the hub tells {len(commits)} commits of {revision!r}", "name one by its whole hash"
        )
    return commits[0]


def _commits(hub: str, revision: str | None) -> list[str]:
    """All that a revision may stand for. Most of the hub takes no shortened hash: its history tells it."""
    from huggingface_hub import HfApi

    if revision is not None and _SHORT.fullmatch(revision):
        history = HfApi().list_repo_commits(hub, repo_type="dataset")
        return [one.commit_id for one in history if one.commit_id.startswith(revision)]
    commit = HfApi().dataset_info(hub, revision=revision).sha
    return [] if commit is None else [str(commit)]


def _with_bytes(value: Any) -> Any:
    """A picture that the library keeps as a file in its cache (folders of pictures), with its bytes."""
    match value:
        case {"bytes": None, "path": str(path)}:
            return {"bytes": Path(path).read_bytes(), "path": path}
        case list():
            return [_with_bytes(one) for one in value]
    return value


def _undecoded(features: Any) -> Any:
    """The same columns with pictures as bytes, also those in lists."""
    import datasets

    def plain(feature: Any) -> Any:
        if isinstance(feature, datasets.Image):
            return datasets.Image(decode=False)
        if isinstance(feature, datasets.List):
            return datasets.List(plain(feature.feature), length=feature.length)
        return feature

    return datasets.Features({name: plain(feature) for name, feature in features.items()})
