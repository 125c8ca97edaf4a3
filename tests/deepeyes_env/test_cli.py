"""The `deepeyes` command, with commands found through entry points of a package made on the spot."""

from pathlib import Path

import pytest

from deepeyes_env.cli import main

MODULE = '''
"""Greets.

More about it.
"""
from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

def hello(argv):
    print("hello", *argv)

def refuse(argv):
    raise ConfigError("max_turns = 0: must be at least 1")

def bad_data(argv):
    raise DatasetError("own.jsonl", "there is no answer", "give one", row=3)

def stop(argv):
    raise KeyboardInterrupt

def status(argv):
    return 7
'''


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting_commands.py").write_text(MODULE)
    info = tmp_path / "greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    names = ("hello", "refuse", "bad_data", "stop", "status")
    lines = [f"{name} = greeting_commands:{name}" for name in names]
    lines.append("gone = no_such_module_here:main")
    (info / "entry_points.txt").write_text("[deepeyes.commands]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_command_gets_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hello", "a", "--b"]) == 0
    assert capsys.readouterr().out == "hello a --b\n"
    assert main(["status"]) == 7


def test_help_lists_the_commands_without_importing_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "  hello        Greets.\n" in out
    assert "(missing module no_such_module_here)" in out
    assert main([]) == 2


def test_mistakes_are_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["helo"]) == 2
    assert "unknown command 'helo': did you mean 'hello'?" in capsys.readouterr().err
    assert main(["refuse"]) == 2
    assert capsys.readouterr().err == "deepeyes refuse: max_turns = 0: must be at least 1\n"
    assert main(["bad_data"]) == 2
    assert capsys.readouterr().err.startswith(
        "deepeyes bad_data: file 'own.jsonl', row 3: there is no answer"
    )
    assert main(["stop"]) == 130
