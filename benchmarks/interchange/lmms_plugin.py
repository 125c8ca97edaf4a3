"""How lmms-eval finds our agent: the entry point `deepeyes` of its group `lmms_eval.models`."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """What its registry (`lmms_eval/models/registry_v2.py`) is told."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest("deepeyes", chat_class_path="benchmarks.interchange.lmms_model.DeepEyes")
