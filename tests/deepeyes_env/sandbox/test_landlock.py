"""Where there are no mounts, Landlock must know how to keep files from being emptied."""

import errno
import os

import pytest

from deepeyes_env.sandbox.local.guest import landlock


@pytest.mark.parametrize("version", [1, 2])
def test_versions_that_let_files_be_emptied_are_refused(version: int) -> None:
    with pytest.raises(OSError, match=f"version {version}"):
        landlock.require_truncation(version)


def test_a_kernel_without_landlock_is_refused_by_name() -> None:
    with pytest.raises(OSError, match="missing or switched off"):
        landlock.require_truncation(0)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_kernel_without_landlock_is_told_from_one_where_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def call(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(landlock, "call", call)
    look = landlock.version.__wrapped__
    if code == errno.EPERM:
        with pytest.raises(PermissionError):
            look()
    else:
        assert look() == 0


def test_this_kernel_keeps_them() -> None:
    landlock.require_truncation(landlock.version())
