"""A trained model on the Hugging Face hub, with a card that says what it was trained with."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from deepeyes_env.errors import ConfigError

PACKAGES = ("deepeyes-gym", "torch", "transformers", "accelerate")
"""Named in the card with their versions."""


class HubError(RuntimeError):
    """The model could not be pushed; it is still on the disk, and the message says how to go on."""


def require_token() -> None:
    """See that the hub can be written before hours of training, not after them.

    Raises:
        ConfigError: There is no token.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise ConfigError(
            "push_to_hub: no token for the Hugging Face hub; run `hf auth login`, or set HF_TOKEN to a token "
            "that may write"
        )


def push(checkpoint: Path, name: str, base: str) -> str:
    """Upload a checkpoint's model to a repository of its own, private if it is new.

    Args:
        checkpoint: A checkpoint of a run (`RUN/checkpoints/step-000060`).
        name: The repository, e.g. `me/deepeyes-7b`.
        base: What was trained.

    Returns:
        The address of the model's page.

    Raises:
        HubError: The hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    folder = checkpoint / "model"
    card = model_card(checkpoint, base).encode()
    try:
        url = str(api.create_repo(name, private=True, exist_ok=True))
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=f"{checkpoint.name}")
        api.upload_file(repo_id=name, path_or_fileobj=card, path_in_repo="README.md")
    except Exception as error:  # network, access, disk: whatever the library and its HTTP client raise
        raise HubError(
            f"{folder} could not be pushed to {name!r} ({error}); it is whole on the disk: "
            f"mend the cause, then "
            f"`hf upload {name} {folder}`"
        ) from error
    return url


def model_card(checkpoint: Path, base: str) -> str:
    """The card as Markdown: base, stage, settings, last metrics, versions.

    Args:
        checkpoint: A checkpoint of a run; its settings and the run's metrics are read.
        base: What was trained.
    """
    described = json.loads((checkpoint / "checkpoint.json").read_text())
    settings = described["settings"]
    stage = "dapo" if "dapo" in settings else "sft"
    environment = Environment(loader=PackageLoader("trainers.runs", "."), undefined=StrictUndefined)
    return environment.get_template("model_card.md.jinja").render(
        base=base,
        is_hub_id=not Path(base).exists(),
        stage=stage,
        step=described["step"],
        settings=json.dumps(settings, indent=2),
        metrics=_last_metrics(checkpoint.parent.parent, described["step"]),
        versions={name: version(name) for name in PACKAGES},
    )


def _last_metrics(run_dir: Path, step: int) -> dict[str, Any]:
    path = run_dir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    rows = [row for line in lines if (row := json.loads(line))["step"] == step]
    return rows[-1] if rows else {}
