"""The checks of what an environment needs: tasks, sandbox, search and judge."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.task import Split, TaskSource
from deepeyes_env.tasks import SelectionConfig, open_source
from trainers.preflight.checks import FIRST, Check

NAME_FILES = "name files for that split in [env.source]"
"""What most sources need that have no tasks in a split."""


def env_checks(config: EnvConfig, validation: int) -> Iterator[Check]:
    """Everything that episodes will ask for.

    Args:
        config: The environment's settings.
        validation: Tasks of the validation split that will be asked; 0 if none.
    """

    @cache
    def tasks() -> TaskSource:
        return open_source(config.source)

    yield Check("tasks", lambda: _tasks(config, tasks(), "train", FIRST))
    if validation:
        yield Check("validation tasks", lambda: _tasks(config, tasks(), "validation", min(FIRST, validation)))
    if "code" in config.tools:
        yield Check("sandbox", lambda: _sandbox(config))
    if config.tools & {"search", "image_search"}:
        yield Check("search", lambda: _search(config, tasks()))
    if config.judge is not None:
        yield Check("judge", lambda: _judge(config))


def _tasks(config: EnvConfig, source: TaskSource, split: Split, count: int) -> str:
    size = source.size(split)
    if size == 0:
        raise ConfigError(
            f"the source {source.name!r} has no {split} tasks; "
            + (f"{add_validation(config)}, or set eval_tasks = 0" if split == "validation" else NAME_FILES)
        )
    pictures = 0
    for index in range(count if size is None else min(count, size)):
        for image in source.task(index, split).images:
            image.decode()
            pictures += 1
    return f"{'endless' if size is None else f'{size:,}'} in {source.name!r}; {pictures} pictures decoded"


def add_validation(config: EnvConfig) -> str:
    """How a source gets tasks to be validated on."""
    if isinstance(config.source, SelectionConfig):
        return (
            f"{config.source.file} chooses among the tasks of one source and has its other splits: curate "
            "from a source with files for both (its env file's [source]; no rollout is made again)"
        )
    return NAME_FILES


def _sandbox(config: EnvConfig) -> str:
    from PIL import Image

    from deepeyes_env.sandbox import shared_sandbox

    session = shared_sandbox(config.sandbox_backend, config.limits).open([Image.new("RGB", (56, 28))])
    try:
        result = session.run("print(image_1.size)\nimage_1.crop((0, 0, 28, 28))")
    finally:
        session.close()
    if not result.ok or "(56, 28)" not in result.stdout or len(result.images) != 1:
        raise ConfigError(
            f"the sandbox does not do what a cell says: {result.stdout!r} {result.stderr[-300:]!r}; "
            "`deepeyes sandbox check` looks closer"
        )
    return f"{config.sandbox_backend.kind}: a cell ran and showed a picture"


def _search(config: EnvConfig, tasks: TaskSource) -> str:
    from deepeyes_env.search import open_search
    from deepeyes_env.search.base import Operation, operations_lacking

    engine = tasks.search_engine()
    if config.search is not None:
        engine = open_search(config.search, engine)
    if engine is None:
        raise ConfigError(
            f"the tools {sorted(config.tools)} search, but {tasks.name!r} has no engine of its own; set "
            '[env.search.engine], or tools = ["code"]'
        )
    task, lacking = tasks.task(0, "train"), operations_lacking(engine)
    answers = []
    if "search" in config.tools and Operation.TEXT not in lacking:
        answers.append(("text", engine.search_text(task.question[:100])))
    if "image_search" in config.tools and Operation.IMAGE not in lacking and task.images:
        answers.append(("image", engine.search_image(task.images[0].decode())))
    for kind, answer in answers:
        if answer.error is not None and answer.error.is_infrastructure:
            raise ConfigError(
                f"{kind} search failed ({answer.error.value}: {answer.detail}); `deepeyes search query` "
                "tries an engine on its own"
            )
    if not answers:
        raise ConfigError(
            f"the engine can do none of {sorted(config.tools)}; choose another one or fewer tools"
        )
    return ", ".join(f"{kind}: {len(answer.hits)} hits" for kind, answer in answers)


def _judge(config: EnvConfig) -> str:
    from deepeyes_env.rewards.judge import HttpJudge

    assert config.judge is not None
    judge = HttpJudge(config.judge)
    try:
        right = judge.says_equivalent("What colour is the sky on a clear day?", "blue", "It is blue.")
    finally:
        judge.close()
    if not right:
        raise ConfigError(
            f"the judge at {config.judge.base_url} finds 'It is blue.' no answer 'blue'; use another"
        )
    return f"{config.judge.base_url} gave a verdict"
