"""A release on the Hugging Face hub, at one commit that is told.

The commit is resolved before anything is loaded, so that the rows are those of the commit that is noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from benchmarks.suites.suite import Release
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubTable:
    """The rows of one split; pictures stay encoded.

    Attributes:
        revision: The commit that was loaded.
    """

    def __init__(self, release: Release, revision: str | None = None) -> None:
        """Load the release, which may have to be downloaded.

        Args:
            release: What to load.
            revision: A commit, branch or tag in place of the release's.

        Raises:
            ConfigError: The library is not installed.
            DatasetError: It cannot be loaded.
        """
        try:
            import datasets
        except ImportError as error:
            raise ConfigError("the hub needs datasets: pip install 'deepeyes-gym[eval]'") from error
        self._hub = release.hub
        self.revision = resolve(release.hub, revision or release.revision)
        try:
            rows = datasets.load_dataset(
                release.hub, release.config, split=release.split, revision=self.revision
            )
        except Exception as error:  # the library lets through whatever its readers and its network raise
            raise DatasetError(
                release.hub,
                f"cannot be loaded at {self.revision} ({error})",
                "look at the network and at access to it (`hf auth login`), or give a copy by path",
            ) from error
        self._rows = rows.cast(_undecoded(rows.features))

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number`."""
        row: dict[str, Any] = self._rows[number]
        return row


def resolve(hub: str, revision: str | None) -> str:
    """The commit that a revision stands for now; a whole hash stands for itself.

    Raises:
        DatasetError: The hub does not say.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(hub, revision=revision).sha
    except Exception as error:  # network, access, offline mode: whatever the library raises
        raise DatasetError(
            hub,
            f"the hub does not tell the commit of {revision or 'its main branch'} ({error})",
            "go online, name a whole commit hash that is in the cache, or give a copy by path",
        ) from error
    if commit is None:
        raise DatasetError(hub, "the hub tells no commit", "name a whole commit hash")
    return str(commit)


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
