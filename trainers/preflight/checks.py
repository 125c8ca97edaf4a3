"""Checks of everything that a training run needs, each of the real thing, before a GPU is touched."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepeyes_env.errors import ConfigError

FIRST = 4
"""Tasks or demonstrations of which a check loads and decodes everything."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: What is looked at.
        look: Looks, and says what it saw; raises if it cannot be used, and the message says how to mend it.
    """

    name: str
    look: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check came to.

    Attributes:
        name: What was looked at.
        ok: Whether it can be used.
        text: What was seen, or what is wrong and how to mend it.
    """

    name: str
    ok: bool
    text: str


def examine(checks: Iterable[Check]) -> list[Finding]:
    """Make every check, also after one that fails."""
    return [_made(check) for check in checks]


def _made(check: Check) -> Finding:
    try:
        return Finding(check.name, True, check.look())
    # Whatever keeps a run from starting is what a check is for.
    except Exception as error:
        return Finding(check.name, False, str(error) or type(error).__name__)


def model_check(path: str) -> Check:
    """Whether a checkpoint is whole: configuration, tokenizer, and every weight file to its last byte.

    Args:
        path: Directory or hub id; one of the hub is looked for among the downloaded ones.
    """

    def look() -> str:
        from transformers import AutoTokenizer

        from agents.vocabulary import Vocabulary
        from trainers.preflight.plan import model_size

        config = read_config(path)
        size, vocabulary = model_size(config), Vocabulary(AutoTokenizer.from_pretrained(path))
        if vocabulary.image_pad != config.image_token_id:
            raise ConfigError(
                f"the tokenizer of {path} says {vocabulary.image_pad} for an image, the model expects "
                f"{config.image_token_id}; copy tokenizer.json from the same checkpoint"
            )
        if not vocabulary.tokenizer.chat_template:
            raise ConfigError(f"the tokenizer of {path} has no chat template; copy chat_template.jinja to it")
        stored = stored_parameters(_folder(path))
        # A checkpoint may hold the output layer of tied embeddings once more.
        if not size.parameters <= stored <= size.parameters + size.vocabulary * size.hidden:
            raise ConfigError(
                f"the weights of {path} have {stored:,} parameters, its config.json describes "
                f"{size.parameters:,}; copy both from the same checkpoint"
            )
        return f"{size.parameters / 1e9:.2f} billion parameters, {vocabulary.size:,} tokens"

    return Check("model", look)


def read_config(path: str) -> Any:
    """The configuration of a Qwen2.5-VL.

    Raises:
        ModelError: It is none.
    """
    from transformers import AutoConfig

    from agents.qwen import check_is_qwen

    check_is_qwen(path)
    return AutoConfig.from_pretrained(path)


def stored_parameters(folder: Path) -> int:
    """Number of parameters in a folder's safetensors files, read from their headers.

    Raises:
        ConfigError: There is none, one that the index names is missing, or one is not whole.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
    if not names:
        raise ConfigError(f"{folder} holds no weights (*.safetensors); copy the whole checkpoint again")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"{folder} lacks {', '.join(missing)}; copy the checkpoint again")
    return sum(_parameters(folder / name) for name in names)


def _parameters(file: Path) -> int:
    """Those of one file, whose header says how long it is: 8 bytes of length, JSON, then the tensors."""
    with file.open("rb") as opened:
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else -1
        try:
            header = json.loads(opened.read(length)) if 0 < length < file.stat().st_size else None
        except ValueError:
            header = None
    if header is None:
        raise ConfigError(f"{file} is no safetensors file; copy it again")
    tensors = [value for name, value in header.items() if name != "__metadata__"]
    whole = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
    if file.stat().st_size != whole:
        raise ConfigError(f"{file} has {file.stat().st_size:,} bytes in place of {whole:,}; copy it again")
    return sum(_product(tensor["shape"]) for tensor in tensors)


def _product(shape: list[int]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result


def _folder(path: str) -> Path:
    """Where a checkpoint lies on this machine."""
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(path, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise ConfigError(
            f"the weights of {path} are not on this machine yet; run `hf download {path}`"
        ) from error
