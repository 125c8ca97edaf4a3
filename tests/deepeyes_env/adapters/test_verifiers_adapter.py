"""verifiers plays the environment through its own machinery and command line."""

from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "packages" / "verifiers"


def test_under_verifiers(plugin) -> None:
    path = f"{HERE.parents[2]}:{PACKAGE}"
    checks = HERE / "verifiers_conformance.py"
    plugin("verifiers").run("-m", "pytest", "-p", "no:cacheprovider", checks, PYTHONPATH=path)
