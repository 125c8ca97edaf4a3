"""Where there are no mounts, Landlock must know how to keep files from being emptied."""

import pytest

from deepeyes_env.sandbox.local.guest import landlock


@pytest.mark.parametrize("version", [1, 2])
def test_versions_that_let_files_be_emptied_are_refused(version: int) -> None:
    with pytest.raises(OSError, match=f"version {version}"):
        landlock.require_truncation(version)


def test_this_kernel_keeps_them() -> None:
    landlock.require_truncation(landlock.version())
