"""TRL's client and our server: one protocol. Runs where TRL and vLLM are both installed."""

from __future__ import annotations

import asyncio
import importlib.util

import numpy as np
import pytest
from talk import finish
from talking import EXACT, Server, begin, gap, model, vocabulary, width

from agents.policy import Sample
from agents.vllm.requests import Dialect
from agents.vllm.server import VllmServer
from agents.vllm.weights import NcclBroadcast

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, ("trl", "vllm"))), reason="needs TRL and vLLM: make test-vllm"
    ),
    pytest.mark.filterwarnings("ignore"),
]


def test_trls_client_samples_token_ids_from_a_server_of_ours(servers: list[Server]):
    """With our ban the figures are ours. Its images do not get through: TRL 1.16 is for vLLM up to 0.31."""
    from trl.generation.vllm_client import VLLMClient

    transcript = begin("trl", images=0)
    prompt = transcript.to_request(1).input_ids.tolist()
    said = VLLMClient(servers[0].url).generate(
        [prompt],
        max_tokens=20,
        generation_kwargs={"logit_bias": dict.fromkeys(Dialect(vocabulary(), width()).banned, -100)},
    )
    [ids], [logprobs] = said["completion_ids"], said["logprobs"]
    assert said["prompt_ids"] == [prompt]
    told = np.array(logprobs, np.float32)[:, 0]
    transcript.append_sample(Sample(np.array(ids), told, vocabulary().turn_text(ids, ()), "stop"))
    assert gap([finish(transcript)]).max_abs < EXACT


def test_weights_over_nccl_say_what_they_need(servers: list[Server]):
    """As far as it goes without GPUs: TRL's client reaches the server, and tells that it has no receiver."""
    server = VllmServer(servers[0].url, Dialect(vocabulary(), width()), None)
    with pytest.raises(RuntimeError, match="--weight-transfer-config"):
        asyncio.run(NcclBroadcast("cpu").send(model(), [server]))
