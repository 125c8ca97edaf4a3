"""Every command says in a line that it cannot write where it is to, before it begins its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepeyes_env.cli import main

FOLDERS = [
    "tasks sheet --n 1 --families house-number --output",
    "search index CORPUS --output",
    "bench all --out",
    "reproduce --smoke --output",
    "quickstart --smoke --output",
    "eval --policy guesser --n 1 --modes off --out",
]
"""Commands whose last option names a folder."""

FILES = [
    "tasks verl --count 1 --output",
    *(f"bench {name} --output" for name in ("env", "env-ray", "rollout", "sandbox", "search", "stress")),
    *(f"bench {name} --output" for name in ("train", "worlds")),
]
"""Commands whose last option names a file."""


def refused(command: str, output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "page.txt").write_text("some words")
    assert main([*command.replace("CORPUS", str(corpus)).split(), str(output)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"deepeyes {command.split()[0]}: out"), said
    assert said.endswith("choose another")
    assert str(output) in said
    return said


@pytest.mark.parametrize("command", [*FOLDERS, *FILES])
def test_a_place_that_cannot_be_made_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(command, Path("/proc/deepeyes/out"), tmp_path, capsys)


@pytest.mark.parametrize("command", FOLDERS)
def test_a_file_in_place_of_a_folder_is_named_and_kept(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is no folder" in refused(command, tmp_path / "file", tmp_path, capsys)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_place_of_a_file_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Is a directory" in refused(command, tmp_path, tmp_path, capsys)
