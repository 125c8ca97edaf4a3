"""The `deepeyes` command, with commands found through entry points of a package made on the spot."""

import os
import subprocess
import sys
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

def imports(argv):
    __import__(*argv)
'''


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting_commands.py").write_text(MODULE)
    info = tmp_path / "greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    names = ("hello", "refuse", "bad_data", "stop", "status", "imports")
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


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "train"), ("statsmodels", "eval"), ("pyarrow", "data"), ("psutil", "bench")],
)
def test_a_package_that_an_extra_brings_is_told_in_a_line(
    module: str, extra: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["imports", module]) == 2
    said = f"deepeyes imports needs {module}: pip install 'deepeyes-gym[{extra}]'\n"
    assert capsys.readouterr().err == said


def test_any_other_missing_module_is_a_fault_and_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nobody_has_this", "numpy", "deepeyes_env.nothing_here"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ModuleNotFoundError):
            main(["imports", name])


BARE = """
import sys
class NoExtra:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "transformers", "psutil", "statsmodels", "httpx", "trl", "datasets"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoExtra())
from deepeyes_env.cli import main
for arguments in (["bench", "--help"], ["bench", "sandbox", "--help"], ["bench", "search", "--help"],
                  ["bench", "worlds", "--help"], ["bench", "env", "--help"], ["rollout", "--help"],
                  ["eval", "--help"], ["bench", "stress"]):
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    print(*arguments, status, file=sys.stderr)
"""


def test_without_extras_there_is_help_or_a_line_that_names_the_extra() -> None:
    """In a process of its own: here all is imported already."""
    ran = subprocess.run(
        [sys.executable, "-c", BARE],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert ran.stderr.splitlines() == [
        "bench --help 0",
        *(f"bench {name} --help 0" for name in ("sandbox", "search", "worlds", "env")),
        "deepeyes rollout needs torch: pip install 'deepeyes-gym[train]'",
        "rollout --help 2",
        "deepeyes eval needs torch: pip install 'deepeyes-gym[train]'",
        "eval --help 2",
        "deepeyes bench needs psutil: pip install 'deepeyes-gym[bench]'",
        "bench stress 2",
    ]
