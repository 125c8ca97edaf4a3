"""Errors come out of other processes whole: Ray's, Gymnasium's, those of pools."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import gymnasium as gym
import pytest

import agents
import benchmarks
import deepeyes_env
import trainers
from benchmarks.suites.row import Row, RowError
from deepeyes_env.config import ConfigError
from deepeyes_env.sandbox.local.guest.layers import Layer
from deepeyes_env.sandbox.local.mends import MissingLayerError
from deepeyes_env.search.base import SearchErrorKind
from deepeyes_env.search.fetch.error import FetchError, FetchFault
from deepeyes_env.search.live.failure import SearchFailure
from deepeyes_env.task import Split, Task
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.runs.interrupt import Interrupted

PACKAGES = (agents, benchmarks, deepeyes_env, trainers)
MISSING_ROW = DatasetError("rows.jsonl", "the image is missing", "download it", row=3, column="image")


def modules() -> Iterator[ModuleType]:
    """The project's, but for those of frameworks that are not installed here."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                try:
                    yield importlib.import_module(module.name)
                except (ImportError, ConfigError):
                    continue


def kinds() -> set[type[BaseException]]:
    return {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseException)
        and value.__module__.partition(".")[0] in {package.__name__ for package in PACKAGES}
    }


def what(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), error.args, vars(error)


def test_every_error_survives_pickle() -> None:
    found = kinds()
    assert {DatasetError, RowError, Interrupted} < found
    for kind in found:
        error = kind.__new__(kind, "what is wrong")  # whatever its `__init__` takes, it leaves a message
        error.__dict__["field"] = "where"
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), copy.args, copy.field) == (kind, str(error), error.args, "where")


@pytest.mark.parametrize(
    "error",
    [
        MISSING_ROW,
        RowError(Row({}, "suite", "rows.tsv", 2), "text", "there is no text", "fill it"),
        MissingLayerError(Layer.OWN_ROOT, "EPERM"),
        FetchError(FetchFault.TIMEOUT, "after 5 s"),
        SearchFailure(SearchErrorKind.RATE_LIMITED, "slow down", 3.0),
        Interrupted(7, None),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_fields_through_pickle(error: Exception) -> None:
    assert what(pickle.loads(pickle.dumps(error))) == what(error)


class Rows:
    """A task source with a bad row."""

    name = "rows"

    def size(self, split: Split) -> int:
        return 5

    def task(self, index: int, split: Split = "train") -> Task:
        raise MISSING_ROW

    def search_engine(self) -> None:
        return None


def test_gymnasium_raises_what_a_process_raised() -> None:
    envs = gym.make_vec(
        "deepeyes_env:DeepEyesMenu-v0", num_envs=2, vectorization_mode="async", tasks=Rows(), prompt="minimal"
    )
    with pytest.raises(DatasetError, match=f"^{MISSING_ROW}$"):
        envs.reset(seed=0)
    envs.close(terminate=True)
