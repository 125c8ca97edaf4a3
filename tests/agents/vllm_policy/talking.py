"""Conversations with vLLM: a model, its checkpoint, servers of it, and what the trainer says of samples."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import httpx
import torch
from talk import SYSTEM, finish, noise_image, seen, tiny

from agents.batch import collate
from agents.mismatch import LogprobGap, measure_gap
from agents.pixels import PixelCache
from agents.policy import Policy, SamplingParams
from agents.qwen import Qwen, save_qwen
from agents.sampling import banned_mask, policy_logprobs
from agents.trajectory import Trajectory
from agents.transcript import Transcript
from agents.vllm.serve_command import SERVER_ENVIRONMENT, ServeVllmArgs, server_command
from agents.vocabulary import Vocabulary

MAX_LEN, MAX_PIXELS, MAX_IMAGES = 2048, 256 * 784, 12

ENGINE = {
    "max_model_len": MAX_LEN,
    "max_num_batched_tokens": MAX_LEN,
    "limit_mm_per_prompt": {"image": MAX_IMAGES, "video": 0},
    "mm_processor_kwargs": {"min_pixels": 784, "max_pixels": MAX_PIXELS},
    "max_num_seqs": 16,
    "dtype": "float32",
    "enforce_eager": True,
    # A seed and a prompt in several chunks: "CPU Generator does not use offset" (vLLM 0.32 on the CPU).
    "enable_chunked_prefill": False,
}
"""Arguments that make vLLM small, and exact to float32."""

FLAGS = ["--max-num-seqs=16", "--max-num-batched-tokens=2048", "--dtype=float32", "--enforce-eager"]
FLAGS += ["--no-enable-chunked-prefill"]

START_SECONDS = 600
"""A server starts in 100 s on two idle cores (stack notes section 1.2); two share them here, with others."""

EXACT = 1e-4
"""Largest difference of log-probabilities in float32; what was measured is a tenth of it."""


TURN = SamplingParams(max_tokens=24)


@cache
def model() -> torch.nn.Module:
    """The tiny model with a head of its own, as Qwen2.5-VL-7B has; see `EngineSettings.check_model`."""
    untied = copy.deepcopy(tiny().model)
    untied.lm_head.weight = torch.nn.Parameter(untied.lm_head.weight.detach().clone())
    untied.config.tie_word_embeddings = untied.config.text_config.tie_word_embeddings = False
    return untied


@cache
def vocabulary() -> Vocabulary:
    return Vocabulary(tiny().tokenizer)


def width() -> int:
    return model().config.text_config.vocab_size


def save_checkpoint(directory: Path) -> Path:
    return save_qwen(Qwen(model(), tiny().tokenizer), directory)


def changed_model(seed: int = 0) -> torch.nn.Module:
    """Other weights, in every parameter."""
    other = copy.deepcopy(model())
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return other


class Server:
    """A vLLM server in processes of its own, started as `deepeyes serve vllm` starts it."""

    def __init__(self, checkpoint: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        args = ServeVllmArgs(
            str(checkpoint), port=port, max_model_len=MAX_LEN, max_images=MAX_IMAGES, max_pixels=MAX_PIXELS
        )
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the server
        environment = os.environ | SERVER_ENVIRONMENT
        environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        self._process = subprocess.Popen(
            server_command(args, FLAGS),
            env=environment,
            cwd=checkpoint,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > end:
                self._log.seek(0)
                raise RuntimeError(f"the server did not start: {self._log.read()[-5000:].decode()}")
            time.sleep(1)

    def metric(self, name: str) -> float:
        """The sum of one of its Prometheus metrics."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))

    def kill(self) -> None:
        """All of its processes at once, as a crash would."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.TransportError:
            return False


def begin(name: str, *, images: int = 1, words: int = 5, first: int = 0) -> Transcript:
    """A conversation that awaits its first turn; one of its images is a single visual token."""
    transcript = Transcript(vocabulary(), name=name)
    pictures = [noise_image(first + n, 1 + n, 1 + 2 * n) for n in range(images)]
    transcript.start(SYSTEM, seen("<image>" * images + "word " * words, *pictures))
    return transcript


async def play(
    policy: Policy,
    name: str,
    *,
    turns: int = 3,
    images: int = 1,
    words: int = 5,
    params: SamplingParams = TURN,
) -> Trajectory:
    """An episode: sampled turns with new images between them."""
    transcript = begin(name, images=images, words=words, first=len(name))
    for turn in range(turns):
        request = transcript.to_request(7, name)
        transcript.append_sample(await policy.generate(request, params))
        if turn < turns - 1:
            pictures = [noise_image(100 * turn + n + words, 3, 2 + n) for n in range(images)]
            transcript.append_observation(seen("result " + "<image>" * images, *pictures))
    return finish(transcript)


def gap(trajectories: list[Trajectory], of: torch.nn.Module | None = None) -> LogprobGap:
    """The policy's log-probabilities beside those of a model of the trainer's."""
    return measure_gap(trajectories, model() if of is None else of, vocabulary())


def all_logprobs(trajectory: Trajectory) -> torch.Tensor:
    """The distribution that each sampled token was drawn from, by the trainer's model: float32 `[N, V]`."""
    batch = collate([trajectory], vocabulary(), PixelCache())
    with torch.no_grad():
        logits = model()(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            pixel_values=batch.pixel_values,
            image_grid_thw=batch.image_grid_thw,
            mm_token_type_ids=batch.mm_token_type_ids,
        ).logits
    wanted = batch.loss_mask[:, 1:]
    return policy_logprobs(logits[:, :-1][wanted], banned_mask(vocabulary(), width()))
