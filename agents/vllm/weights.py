"""How new weights reach vLLM: through a folder that it can read, or over NCCL with TRL's client."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from agents.vllm.server import VllmServer, tell_all

NCCL_PORT = 51216
"""Where the trainer waits for the first server's workers: the default of TRL's `VLLMClient`."""


class WeightChannel(Protocol):
    """Brings weights to servers, which are paused meanwhile."""

    async def send(self, model: Any, servers: Sequence[VllmServer]) -> None:
        """Have the servers load the weights of `model`; the ones that fail at it are dead afterwards."""
        ...

    def close(self) -> None:
        """Free what the channel holds. Idempotent."""
        ...


class WeightFolder:
    """A folder that this process writes and every server reads under the same name.

    The only channel that works without GPUs, and the simplest with them: one file is written and read.

    Args:
        folder: Where; made if missing, and its checkpoint overwritten each time. None is a new one among the
            temporary files, gone at the end: for an engine in process and for servers on this machine.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._own = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="deepeyes-weights-")) if folder is None else folder

    async def write(self, model: Any) -> None:
        """Write the model, under the names that checkpoints have, which are those that vLLM loads."""
        await asyncio.to_thread(model.save_pretrained, self.folder)

    async def send(self, model: Any, servers: Sequence[VllmServer]) -> None:
        """See `WeightChannel.send`."""
        for server in servers:
            if server.alive:
                (await server.settings()).check_model(model)
        await self.write(model)
        await tell_all(servers, "/collective_rpc", reload_call(self.folder))

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)


def reload_call(folder: Path) -> dict[str, Any]:
    """The method of vLLM's workers that loads a checkpoint into the running model, and its arguments."""
    return {"method": "reload_weights", "kwargs": {"weights_path": str(folder.absolute())}}


class NcclBroadcast:
    """From the trainer's GPU to the servers', with TRL's client and protocol; needs trl and vllm here too.

    The servers are started with `--weight-transfer-config '{"backend": "nccl"}'`. Each gets the weights in
    turn, over a group of its own.

    Args:
        device: The trainer's GPU, e.g. `cuda:0`.
        port: Port of the first server's group; the next ones have the ports after it.
    """

    def __init__(self, device: str, port: int = NCCL_PORT) -> None:
        self._device = device
        self._port = port
        self._clients: dict[str, Any] = {}

    async def send(self, model: Any, servers: Sequence[VllmServer]) -> None:
        """See `WeightChannel.send`; a failure of NCCL is not survived."""
        for server in servers:
            await asyncio.to_thread(self._send, model, server.url)

    def close(self) -> None:
        """Leave the groups."""
        while self._clients:
            self._clients.popitem()[1].close_communicator()

    def _send(self, model: Any, url: str) -> None:
        if url not in self._clients:
            self._clients[url] = self._join(url)
        self._clients[url].update_model_params(model)

    def _join(self, url: str) -> Any:
        try:
            from trl.generation.vllm_client import VLLMClient

            client = VLLMClient(base_url=url, group_port=self._port + len(self._clients))
        except ImportError as error:
            raise ImportError(
                "weights over NCCL need TRL and vLLM in the trainer's environment: pip install "
                "'deepeyes-gym[trl,vllm]'; a WeightFolder needs neither"
            ) from error
        client.init_communicator(device=self._device)
        return client
