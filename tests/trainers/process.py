"""One process of a run of several, started by `test_processes`: goes through scenes and notes results.

    RANK=0 WORLD_SIZE=2 ... python process.py DIRECTORY SCENE ...

What a scene returns is written as DIRECTORY/SCENE-RANK.json; tensors go to files of their own.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from episodes import TINIEST, episode
from guess_source import GuessSource
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from agents.batch import token_logprobs
from agents.pixels import PixelCache
from agents.qwen import Qwen
from agents.sampling import banned_mask
from agents.tiny import build_tiny
from agents.trajectory import Trajectory
from agents.transformers_policy import TransformersPolicy
from agents.vocabulary import Vocabulary
from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.errors import ConfigError
from trainers.config import DapoConfig, SftConfig
from trainers.dapo.train import train_dapo
from trainers.distributed.engine import Engine, accelerator, training
from trainers.distributed.handover import hand_over, require_whole_model
from trainers.distributed.idle import idle_loss
from trainers.distributed.ranks import PeerFailed, Ranks
from trainers.distributed.shares import balanced, collected, rejoined, with_pictures
from trainers.runs.checkpoint import CheckpointError, latest_checkpoint
from trainers.runs.interrupt import Interrupted
from trainers.runs.metrics import Metrics, StepReport
from trainers.scoring import Scorer
from trainers.sft.train import train_sft

SFT = SftConfig(
    epochs=2,
    batch_size=5,
    micro_batch_size=2,
    learning_rate=1e-3,
    freeze_vision=False,
    save_every=2,
    progress=False,
)
FROZEN = replace(SFT, freeze_vision=True, epochs=1)
DAPO = DapoConfig(
    steps=3,
    prompts_per_step=3,
    group_size=3,
    minibatches=2,
    micro_batch_size=2,
    learning_rate=1e-3,
    max_rounds=3,
    max_turn_tokens=40,
    save_every=1,
    eval_every=1,
    progress=False,
)

AHEAD = replace(DAPO, staleness=1)


def fresh() -> Qwen:
    """The same untrained model in every process."""
    return build_tiny(seed=0, shape=TINIEST)


def guesser(directory: Path) -> Qwen:
    """A model that keeps the format and guesses; the tests have left its weights in `directory`."""
    qwen = fresh()
    qwen.model.load_state_dict(torch.load(directory / "guesser.pt", weights_only=True))
    return qwen


def data(qwen: Qwen) -> list[Trajectory]:
    """Episodes of unequal lengths, one of them without a picture."""
    vocabulary = Vocabulary(qwen.tokenizer)
    seen = [episode(vocabulary, number, tool=number % 3 == 0) for number in range(6)]
    return [*seen, episode(vocabulary, 6, tool=False, picture=False)]


def scored(
    qwen: Qwen, trajectories: Sequence[Trajectory], *, rate: float = 0.0, factor: float = 1.0
) -> Engine:
    """An engine that has the gradient of the mean cross-entropy over `trajectories`, in shares.

    Args:
        qwen: The model.
        trajectories: All of them.
        rate: Learning rate.
        factor: What this process's share is multiplied with.
    """
    parameters = [parameter for parameter in qwen.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    engine = Engine(accelerator(SFT, None), qwen.model, optimizer, schedule, max_grad_norm=1e9)
    vocabulary = Vocabulary(qwen.tokenizer)
    banned = banned_mask(vocabulary, qwen.model.config.text_config.vocab_size)
    scorer = Scorer(vocabulary, PixelCache(), banned, engine.accelerator.device, engine.sharded)
    engine.idle = lambda: idle_loss(engine.model, scorer)
    tokens = sum(int(one.loss_mask.sum()) for one in trajectories)
    with training(engine.model):
        for i in engine.passes(engine.share([len(one.input_ids) for one in trajectories])):
            logprobs = token_logprobs(engine.model, scorer.batch([trajectories[i]]), banned)
            engine.backward(-factor * logprobs.sum() / tokens)
    return engine


def sft(directory: Path, name: str, config: SftConfig = SFT, resume: Path | None = None) -> list[Metrics]:
    """Train on `data` into `directory / name`."""
    qwen = fresh()
    run_dir = directory / name
    return train_sft(config, qwen.model, qwen.tokenizer, data(qwen), run_dir=run_dir, resume=resume)


def dapo(directory: Path, name: str, config: DapoConfig = DAPO, **kwargs: Any) -> list[Metrics]:
    """Train the guesser into `directory / name`."""
    qwen = guesser(directory)
    env = DeepEyesAsyncEnv(num_envs=8, tasks=GuessSource(), prompt="minimal")
    try:
        return train_dapo(config, qwen.model, qwen.tokenizer, env, run_dir=directory / name, **kwargs)
    finally:
        env.close()


# --- Scenes ------------------------------------------------------------------------------------------------


def talk(directory: Path) -> Any:
    """What processes say to each other."""
    ranks = Ranks()
    failures = []
    for culprits in ([1], [0, 1], []):
        try:
            with ranks.together("testing"):
                if ranks.rank in culprits:
                    raise ValueError(f"fault of {ranks.rank}")
            failures.append("")
        except (ValueError, PeerFailed) as error:
            failures.append(f"{type(error).__name__}: {error}")
    parcels = [f"{ranks.rank}>{to}".encode() * to for to in (0, 1)]
    return {
        "first": ranks.first,
        "dealt": [list(ranks.deal(range(count))) for count in (0, 1, 5)],
        "gathered": [part.decode() for part in ranks.gather(b"ab" * ranks.rank)],
        "exchanged": [parcel.decode() for parcel in ranks.exchange(parcels)],
        "total": ranks.total([1.5, ranks.rank]),
        "any": [ranks.any(False), ranks.any(ranks.rank == 1)],
        "failures": failures,
    }


def rows(directory: Path) -> Any:
    """Arrays that were computed in shares come back together; a process may have none."""
    ranks = Ranks()

    def rejoin(weights: list[int]) -> list[list[float]]:
        own = [np.full(weights[i], i, np.float32) for i in balanced(weights, ranks.size)[ranks.rank]]
        return [row.tolist() for row in rejoined(ranks, weights, own)]

    return [rejoin([3, 1, 2]), rejoin([2]), rejoin([])]


def pictures(directory: Path) -> Any:
    """Trajectories are collected without the others' pictures, which come when they are wanted."""
    ranks, qwen = Ranks(), fresh()
    everything = data(qwen)
    light = collected(ranks, ranks.deal(everything))
    whole = with_pictures(ranks, light, range(len(light)) if ranks.first else ())
    wanted = with_pictures(ranks, light, [6, 1, 5])
    return {
        "light": [bool(image.data) for one in light for image in one.images],
        "same": [_same(a, b) for a, b in zip(whole, everything, strict=False)],
        "wanted": [_same(a, everything[i]) for a, i in zip(wanted, [6, 1, 5], strict=True)],
    }


def _same(one: Trajectory, other: Trajectory) -> bool:
    arrays = all((getattr(one, n) == getattr(other, n)).all() for n in ("input_ids", "loss_mask", "logprobs"))
    fields = [(t.task_id, t.turns, t.reward, t.lineage, t.images, t.image_spans) for t in (one, other)]
    return arrays and fields[0] == fields[1]


def summed(engine: Engine) -> dict[str, torch.Tensor]:
    """The gradient with which the engine steps, by name; what has none is left out."""
    gradients: dict[str, torch.Tensor] = {}
    clip = engine.accelerator.clip_grad_norm_

    def keep(parameters: Any, norm: float) -> Any:
        named = engine.plain.named_parameters()
        gradients.update({name: _whole(one.grad) for name, one in named if one.grad is not None})
        return clip(parameters, norm)

    engine.accelerator.clip_grad_norm_ = keep
    engine.update()
    return gradients


def _whole(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient.clone()


def gradient(directory: Path) -> Any:
    """The summed gradient of one update, with and without any picture."""
    for name, part in (("pictures", slice(None)), ("text", slice(6, None))):
        qwen = fresh()
        engine = scored(qwen, data(qwen)[part])
        found = summed(engine)
        save_file(found, directory / f"gradient-{engine.layout}-{name}-{engine.ranks.rank}.safetensors")
    return None


def not_finite(directory: Path) -> Any:
    """The gradient of the second process alone is no number; and then it is one again."""
    qwen = fresh()
    broken = scored(qwen, data(qwen), rate=0.1, factor=float("nan") if Ranks().rank == 1 else 1.0)
    before = _sum(broken)
    skipped = [broken.update().skipped]
    left = _sum(broken)
    sound = scored(fresh(), data(qwen), rate=0.1)
    skipped.append(sound.update().skipped)
    found = {"skipped": skipped, "weights": [before, left, _sum(sound)]}
    path = directory / f"not-finite-{broken.layout}-{Ranks().rank}.json"
    path.write_text(json.dumps(found))


def _sum(engine: Engine) -> float:
    """Tells one set of weights from another."""
    whole = engine.whole()
    weights = whole.state_dict().values() if engine.ranks.first else ()
    return engine.ranks.total([sum(float(one.double().sum()) for one in weights)])[0]


def shard(directory: Path) -> Any:
    """From here on models are sharded by FSDP2: the configuration's plugin, on CPUs.

    Accelerate offers FSDP for accelerators only (`AcceleratorState.__init__`); all that it then does works on
    CPUs and gloo too.
    """
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["Qwen2_5_VLDecoderLayer"],
        state_dict_type="SHARDED_STATE_DICT",
    )
    AcceleratorState._shared_state["fsdp_plugin"] = plugin
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    return accelerator(SFT, None).is_fsdp2


def sharded_sft(directory: Path) -> Any:
    """Whole; and again in two parts."""
    whole = sft(directory, "sft-sharded")
    begin = directory / "sft-sharded-parts"
    if Ranks().first:
        name = "step-000002"
        shutil.copytree(directory / "sft-sharded" / "checkpoints" / name, begin / "checkpoints" / name)
        shutil.copy(directory / "sft-sharded" / "metrics.jsonl", begin)
    Ranks().any(False)
    parts = sft(directory, begin.name, resume=latest_checkpoint(begin))
    return {"whole": whole, "parts": parts, "frozen": sft(directory, "sft-sharded-frozen", FROZEN)}


def sharded_refusals(directory: Path) -> Any:
    """What a sharded model cannot do."""
    refused = []
    for attempt in (
        lambda: dapo(directory, "dapo-sharded"),
        lambda: sft(directory, "sft-begun", resume=latest_checkpoint(directory / "sft-begun")),
    ):
        try:
            attempt()
        except (ConfigError, CheckpointError) as error:
            refused.append(str(error))
    return refused


def sharded_hand_over(directory: Path) -> Any:
    """A policy on servers gets all weights, from the first process."""
    qwen = fresh()
    expected = {name: value.clone() for name, value in qwen.model.state_dict().items()}
    engine = scored(qwen, data(qwen))
    told: list[str] = []

    class Served(TransformersPolicy):
        async def update_weights(self, model: Any) -> None:
            model.save_pretrained(directory / "served")
            told.append(f"given {model.get_input_embeddings() is not None}")

        async def adopt_weights(self) -> None:
            told.append(f"adopts {(directory / 'served' / 'model.safetensors').exists()}")

    policy = Served(fresh().model, qwen.tokenizer)
    require_whole_model(engine, policy)
    hand_over(engine, policy)
    served = type(qwen.model).from_pretrained(directory / "served").state_dict()
    return {"told": told, "same": [torch.equal(served[name], value) for name, value in expected.items()]}


def sft_whole(directory: Path) -> Any:
    return sft(directory, "sft-two")


def sft_goes_on(directory: Path) -> Any:
    """A run that one process began and that two go on with."""
    return sft(directory, "sft-begun", resume=latest_checkpoint(directory / "sft-begun"))


def sft_in_parts(directory: Path) -> Any:
    """Stopped by a signal to the second process alone, and resumed."""
    qwen, run_dir = fresh(), directory / "sft-parts"

    def stop(*_: object) -> None:
        hook.remove()
        if Ranks().rank == 1:
            signal.raise_signal(signal.SIGTERM)

    hook = qwen.model.model.language_model.register_forward_pre_hook(stop)
    stopped = -1
    try:
        train_sft(SFT, qwen.model, qwen.tokenizer, data(qwen), run_dir=run_dir)
    except Interrupted as error:
        stopped = error.step
    history = sft(directory, "sft-parts", resume=latest_checkpoint(run_dir))
    return {"stopped": stopped, "history": history}


def dapo_whole(directory: Path) -> Any:
    reports: list[StepReport] = []
    evaluated: list[int] = []

    def evaluate(step: int) -> dict[str, float]:
        evaluated.append(step)
        return {"rank": float(Ranks().rank)}

    history = dapo(directory, "dapo-two", on_step=reports.append, evaluate=evaluate)
    shown = [[all(image.data for image in one.images) for one in r.trajectories] for r in reports]
    return {"history": history, "shown": shown, "evaluated": evaluated}


def dapo_in_parts(directory: Path) -> Any:
    dapo(directory, "dapo-parts", replace(DAPO, steps=2))
    return dapo(directory, "dapo-parts", resume=latest_checkpoint(directory / "dapo-parts"))


def dapo_goes_on(directory: Path) -> Any:
    return dapo(directory, "dapo-begun", resume=latest_checkpoint(directory / "dapo-begun"))


def dapo_ahead(directory: Path) -> Any:
    """Samples and updates at the same time; in one go, and stopped by a signal to one and resumed."""
    whole = dapo(directory, "dapo-two-ahead", AHEAD)

    def stop(report: StepReport) -> None:
        if report.step == 1:  # in the first process alone
            signal.raise_signal(signal.SIGTERM)

    run_dir = directory / "dapo-two-ahead-parts"
    stopped = -1
    try:
        dapo(directory, run_dir.name, AHEAD, on_step=stop)
    except Interrupted as error:
        stopped = error.step
    parts = dapo(directory, run_dir.name, AHEAD, resume=latest_checkpoint(run_dir))
    return {"whole": whole, "stopped": stopped, "parts": parts}


def one_cannot_sample_ahead(directory: Path) -> Any:
    """The second process's policy fails at the second step, when the first is trained and not saved."""
    qwen, run_dir = guesser(directory), directory / "dapo-fails-ahead"

    class Broken(TransformersPolicy):
        async def generate(self, request: Any, params: Any) -> Any:
            if "step=1" in request.conversation:
                raise OSError("the disk is gone")
            return await super().generate(request, params)

    kind = Broken if Ranks().rank == 1 else TransformersPolicy
    policy = kind(copy.deepcopy(qwen.model), qwen.tokenizer)
    env = DeepEyesAsyncEnv(num_envs=8, tasks=GuessSource(), prompt="minimal")
    try:
        rare = replace(AHEAD, save_every=100)
        train_dapo(rare, qwen.model, qwen.tokenizer, env, policy=policy, run_dir=run_dir)
    except (PeerFailed, OSError) as error:
        return {
            "error": f"{type(error).__name__}: {error}",
            "saved": latest_checkpoint(run_dir).name,
            "resumed": len(dapo(directory, run_dir.name, AHEAD, resume=latest_checkpoint(run_dir))),
        }
    finally:
        env.close()


def one_cannot_sample(directory: Path) -> Any:
    """The second process's policy fails."""
    qwen = guesser(directory)

    class Broken(TransformersPolicy):
        async def generate(self, request: Any, params: Any) -> Any:
            raise OSError("the disk is gone")

    kind = Broken if Ranks().rank == 1 else TransformersPolicy
    env = DeepEyesAsyncEnv(num_envs=8, tasks=GuessSource(), prompt="minimal")
    try:
        train_dapo(DAPO, qwen.model, qwen.tokenizer, env, policy=kind(qwen.model, qwen.tokenizer))
    except (PeerFailed, OSError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        env.close()


def one_dies(directory: Path) -> Any:
    """The second process ends without a word; the last scene."""
    ranks = Ranks()
    if ranks.rank == 1:
        os._exit(0)
    try:
        ranks.tell("hello")
    except PeerFailed as error:
        return str(error)


SCENES: tuple[Callable[[Path], Any], ...] = (
    talk,
    rows,
    pictures,
    gradient,
    not_finite,
    sft_whole,
    sft_goes_on,
    sft_in_parts,
    dapo_whole,
    dapo_in_parts,
    dapo_goes_on,
    dapo_ahead,
    one_cannot_sample_ahead,
    one_cannot_sample,
    one_dies,
    shard,
    sharded_sft,
    sharded_refusals,
    sharded_hand_over,
)


def main(directory: Path, names: Sequence[str]) -> None:
    """Go through the scenes of these names."""
    torch.set_num_threads(1)
    accelerator(SFT, None)
    scenes = {scene.__name__: scene for scene in SCENES}
    for name in names:
        result = scenes[name](directory)
        (directory / f"{name}-{os.environ['RANK']}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
