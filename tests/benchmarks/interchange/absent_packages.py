"""Stands in for packages that VLMEvalKit's other data sets import when any of them is, gigabytes in all.

`vlmeval.dataset` imports every data set (at e8e78f05). The scoring under test, of multiple choice, uses none
of these packages. One that is installed is used, because this finder is asked last.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGES = frozenset(
    [
        "Levenshtein",
        "apted",
        "bs4",
        "cairosvg",
        "cdfvd",
        "clip",
        "colormath",
        "decord",
        "distance",
        "editdistance",
        "fuzzysearch",
        "geopy",
        "imageio",
        "ipdb",
        "jieba",
        "lpips",
        "matplotlib_venn",
        "nest_asyncio",
        "num2words",
        "pronouncing",
        "pylatexenc",
        "rapidfuzz",
        "rouge",
        "rouge_score",
        "skimage",
        "squarify",
        "sty",
        "termcolor",
        "timeout_decorator",
        "torchmetrics",
        "unidecode",
    ]
)


class Anything(type):
    """A class that has every attribute, may be inherited from, called, and used as a decorator or a text."""

    def __getattr__(cls, name: str) -> Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return anything(name)


def anything(name: str) -> Anything:
    methods = {
        "__new__": lambda cls, *args, **kwargs: str.__new__(cls),
        "__init__": lambda self, *args, **kwargs: None,
        "__call__": lambda self, decorated=None, *args, **kwargs: decorated,
    }
    return Anything(name, (str,), methods)


class Absent(MetaPathFinder, Loader):
    """Finds the packages and whatever is asked of them."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in PACKAGES else None

    def exec_module(self, module: ModuleType) -> None:
        def attribute(name: str) -> Anything:
            return Anything.__getattr__(Anything, name)

        module.__getattr__ = attribute  # type: ignore[method-assign]


sys.meta_path.append(Absent())
