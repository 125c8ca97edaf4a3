r"""DeepEyes as an OpenEnv environment: its server, and a client to which no image is sent twice.

    uvicorn --factory deepeyes_env.adapters.openenv:app --port 8000

    with DeepEyesClient(base_url="http://127.0.0.1:8000").sync() as env:
        result = env.reset(index=0, seed=0)
        result = env.step(DeepEyesAction(turn="<think>I see it.</think>\n<answer>7</answer>"))

OpenEnv's messages are JSON: an image travels in base64 the first time. At `reset` a client may name the
images that it has (`known_images`); of these, and of those that the episode has shown, only the hash is sent.
OpenEnv's own clients name none and are sent every image.
"""

from __future__ import annotations

import base64
import functools
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from openenv.core.client_types import StepResult
from openenv.core.env_client import EnvClient
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, ConcurrencyConfig, Observation, State
from pydantic import BaseModel, Field, PrivateAttr, field_validator
from starlette.types import ASGIApp, Receive, Scope, Send

from deepeyes_env.adapters.unscored import scored
from deepeyes_env.config import EnvConfig, load_config
from deepeyes_env.episode import Observation as Shown
from deepeyes_env.errors import require
from deepeyes_env.host import Host, draw_place, open_host
from deepeyes_env.images import EncodedImage
from deepeyes_env.kept_images import KeptImages
from deepeyes_env.loopback import is_loopback
from deepeyes_env.sandbox import shared_sandbox
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.serving.gate import Gate
from deepeyes_env.task import TaskSource

MOST_KNOWN = 1000
"""Images that a client names at `reset`, the last used ones: 67 bytes each."""

DEFAULT_SESSIONS = 64
"""Sessions at the same time, as of `deepeyes serve env`."""

IDLE_SECONDS = 3600.0
"""Time without a message after which a session is closed, as there: not every client ends what it began."""

MAX_BODY_BYTES = 8 << 20
"""Largest body of a request that comes from this machine, as there."""


class DeepEyesAction(Action):
    """The policy's whole turn as text."""

    turn: str = Field(description="Reasoning in <think> tags, then a <code>, <tool_call> or <answer> block")

    @field_validator("turn", mode="before")
    @classmethod
    def _encodable(cls, turn: object) -> object:
        # Lone surrogates are a malformed turn's business, and must not look like a broken connection.
        return turn.encode("utf-8", "replace").decode() if isinstance(turn, str) else turn


class Picture(BaseModel):
    """An image of an observation: its hash, and its encoded bytes unless the client has them."""

    sha256: str
    data: str | None = Field(default=None, description="The encoded image (PNG, JPEG, ...) in base64")
    _image: EncodedImage | None = PrivateAttr(None)

    def encoded(self) -> EncodedImage:
        """The image, from `data` unless the client has it."""
        return self._image or EncodedImage.from_bytes(base64.b64decode(self.data or ""))


class DeepEyesObservation(Observation):
    """What the policy sees next; at the end it is empty, and `info` has the parts of the reward."""

    text: str = Field(description="With one `<image>` marker for each of `images`")
    images: list[Picture] = Field(default_factory=list)
    info: dict[str, Any] = Field(default_factory=dict)

    def encoded(self) -> tuple[EncodedImage, ...]:
        """The images; to a `DeepEyesClient` those are known too of which only the hash was sent."""
        return tuple(image.encoded() for image in self.images)


class DeepEyesState(State):
    """How far the session's episode is."""

    task_id: str | None = None
    outcome: str | None = None


class DeepEyesEnvironment(Environment[DeepEyesAction, DeepEyesObservation, DeepEyesState]):
    """One session: one episode at a time. Sessions share tasks, search and sandbox, but no state."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, host: Host) -> None:
        """Make an idle session of the episodes of `host`."""
        super().__init__()
        self._host, self._runner = host, host.runner()
        self._has: set[str] | None = None
        self._state = DeepEyesState()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        known_images: Sequence[str] | None = None,
        **options: Any,
    ) -> DeepEyesObservation:
        """Begin an episode.

        Args:
            seed: Seeds the draws: the task's index, if none is given, and the sandbox session.
            episode_id: A name for the episode; drawn if left out.
            known_images: Hashes of images that the client has; None if it keeps none.
            **options: `index` and `split`, as of `DeepEyesEnv.reset`.

        Raises:
            ConfigError: An unknown option or split, or no task of this index.
        """
        place = draw_place(self._host.tasks, self._host.config.split, options, np.random.default_rng(seed))
        first, info = self._runner.begin(place)
        self._has = None if known_images is None else set(known_images)
        name = episode_id or str(uuid.uuid4())
        self._state = DeepEyesState(episode_id=name, step_count=0, task_id=info["task_id"])
        return self._observation(first, info)

    def step(
        self, action: DeepEyesAction, timeout_s: float | None = None, **kwargs: Any
    ) -> DeepEyesObservation:
        """Take a turn; a cell has the sandbox's own limit of time, `timeout_s` is not used.

        Raises:
            EpisodeFailed: The infrastructure failed; the client gets OpenEnv's `EXECUTION_ERROR`.
            RuntimeError: No episode is running.
        """
        if not self._runner.running:
            raise RuntimeError("no episode is running: call reset() first, in the same (WebSocket) session")
        result = self._runner.step(action.turn)
        outcome = result.info.get("outcome")
        self._state = self._state.model_copy(
            update={"step_count": self._state.step_count + 1, "outcome": outcome}
        )
        scored(result, self._runner.telemetry.failures)
        return self._observation(result.observation, result.info, reward=result.reward, done=result.done)

    @property
    def state(self) -> DeepEyesState:
        """How far the episode is."""
        return self._state

    def close(self) -> None:
        """Free the running episode."""
        self._runner.close()

    def _observation(self, shown: Shown, info: Mapping[str, Any], **fields: Any) -> DeepEyesObservation:
        images = [self._picture(image) for image in shown.images]
        return DeepEyesObservation(text=shown.text, images=images, info=dict(info), **fields)

    def _picture(self, image: EncodedImage) -> Picture:
        if self._has is None:
            return Picture(sha256=image.sha256, data=_base64(image))
        new = image.sha256 not in self._has
        self._has.add(image.sha256)
        return Picture(sha256=image.sha256, data=_base64(image) if new else None)


class DeepEyesClient(EnvClient[DeepEyesAction, DeepEyesObservation, DeepEyesState]):
    """OpenEnv's client with DeepEyes' types; the images are kept for all clients of the process."""

    kept = KeptImages()
    _has: dict[str, EncodedImage]

    async def _reset_async(self, **kwargs: Any) -> StepResult[DeepEyesObservation]:
        self._has = self.kept.newest(MOST_KNOWN)  # held here, so that none is forgotten before its turn comes
        return await super()._reset_async(known_images=list(self._has), **kwargs)

    def _step_payload(self, action: DeepEyesAction) -> dict[str, Any]:
        return {"turn": action.turn}

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[DeepEyesObservation]:
        given, reward, done = payload["observation"], payload.get("reward"), payload.get("done", False)
        observation = DeepEyesObservation(**given, reward=reward, done=done)
        for image in observation.images:
            self._know(image)
        return StepResult(observation=observation, reward=reward, done=done)

    def _parse_state(self, payload: dict[str, Any]) -> DeepEyesState:
        return DeepEyesState(**payload)

    def _know(self, image: Picture) -> None:
        known = self._has.get(image.sha256) if image.data is None else image.encoded()
        if known is None:
            raise RuntimeError(f"the server left out image {image.sha256}, which the client has not")
        if known.sha256 != image.sha256:
            raise RuntimeError(f"the server sent another image than {image.sha256}")
        image._image = self._has[image.sha256] = known
        self.kept.add(known)


class LoopbackGate:
    """Keeps pages of other sites, which a browser on this machine may show, from its loopback address.

    What comes to another address of a server is not for us to tell from its users.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app, self._gate = app, Gate(app, None, MAX_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        address, *_ = scope.get("server") or ("",)
        await (self._gate if is_loopback(address) else self._app)(scope, receive, send)


def make_app(
    config: EnvConfig | None = None,
    max_concurrent_envs: int = DEFAULT_SESSIONS,
    *,
    tasks: TaskSource | None = None,
    sandbox: Sandbox | None = None,
) -> Any:
    """The server, made by OpenEnv's `create_app`.

    Args:
        config: The settings of every episode.
        max_concurrent_envs: Sessions at the same time.
        tasks: A task source to use in place of the configured one.
        sandbox: A sandbox to use in place of the configured one.

    Returns:
        A FastAPI application. Whoever reaches it can run code in the sandbox, but for pages of other sites
        at a loopback address: OpenEnv has no log-in.
    """
    session = functools.partial(DeepEyesEnvironment, open_host(config, {}, tasks, sandbox, None))
    app = create_app(
        session,
        DeepEyesAction,
        DeepEyesObservation,
        env_name="deepeyes",
        concurrency_config=ConcurrencyConfig(
            max_concurrent_envs=max_concurrent_envs, session_timeout=IDLE_SECONDS
        ),
        state_cls=DeepEyesState,
    )
    app.add_middleware(LoopbackGate)
    return app


def app() -> Any:
    """The server of the image, set up by its environment: `DEEPEYES_ENV`, `MAX_CONCURRENT_ENVS`.

    Raises:
        ConfigError: They cannot be used.
        SandboxError: No code can be run here, such as in a container that forbids every wall of the sandbox.
    """
    config = load_config(EnvConfig, os.environ.get("DEEPEYES_ENV") or None)
    sessions = os.environ.get("MAX_CONCURRENT_ENVS") or str(DEFAULT_SESSIONS)
    usable = sessions.isdecimal() and int(sessions) >= 1
    require(usable, "MAX_CONCURRENT_ENVS", sessions, "a whole number from 1")
    shared_sandbox(config.sandbox_backend, config.limits).open([]).close()
    return make_app(config, int(sessions))


def _base64(image: EncodedImage) -> str:
    return base64.b64encode(image.data).decode("ascii")
