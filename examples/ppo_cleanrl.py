"""PPO in one file, in the style of CleanRL, that learns to look closer: read it from top to bottom.

    python examples/ppo_cleanrl.py --curve docs/ppo_cleanrl.svg
    python examples/ppo_cleanrl.py --no-looking   # the control: nothing but answers on the menu

The rings of `landolt_rings.py` cannot be read in the first picture. What has to be learned is where to crop
it (the code really runs in the sandbox), and to read the crop. Against CleanRL's `ppo.py`: the vector env
runs the tools of all slots at the same time; and neither a step that only begins an episode anew
(`AutoresetMode.NEXT_STEP`) nor an episode whose infrastructure failed trains anything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium.utils.env_checker import check_env
from landolt_rings import SETTINGS, SIDE, Options, draw_curve
from torch import nn
from torch.distributions import Categorical


@dataclass
class Args(Options):
    """The command's options."""

    learning_rate: float = 1e-3
    """of Adam, falling linearly to 0"""
    gamma: float = 0.99
    """discount: looking costs next to nothing"""
    gae_lambda: float = 0.95
    """lambda of the advantage estimation"""
    minibatches: int = 4
    """per epoch"""
    epochs: int = 6
    """over the turns of an update"""
    clip: float = 0.2
    """of the probability ratio"""
    entropy: float = 0.05
    """its weight in the loss"""
    value: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """gradients are clipped to this norm"""
    threads: int = 1
    """of torch"""


class Agent(nn.Module):
    """One hidden layer and two heads."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), layer(nn.Linear(3 * SIDE * SIDE, 128)), nn.Tanh())
        self.actor = layer(nn.Linear(128, actions), scale=0.01)
        self.critic = layer(nn.Linear(128, 1), scale=1.0)

    def forward(self, images: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        """The choice and the value of pictures, uint8 levels `[n, height, width, 3]`."""
        hidden = self.body(images / 255)
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


def layer(module: nn.Module, scale: float = 2**0.5) -> nn.Module:
    """Initialise a layer as CleanRL does."""
    nn.init.orthogonal_(module.weight, scale)
    nn.init.zeros_(module.bias)
    return module


def make_envs(args: Args, split: str) -> gym.vector.VectorEnv:
    """The slots."""
    return gym.make_vec("deepeyes_env:DeepEyesMenu-v0", num_envs=args.num_envs, **args.env(split))


def infra_failed(infos: dict[str, Any], slots: int) -> np.ndarray:
    """Whose episode the infrastructure has ended, which says nothing about the policy."""
    return infos.get("outcome", np.full(slots, None)) == "infra_failed"


def scores(infos: dict[str, Any], ended: np.ndarray) -> list[float]:
    """Whether the episodes that ended were right, but for those that the infrastructure has ended."""
    told = ended & ~infra_failed(infos, len(ended))
    return infos["accuracy"][told].tolist() if told.any() else []


def evaluate(args: Args, agent: Agent | None) -> tuple[float, float]:
    """Share of right answers and of first turns that look, held out; greedy, or at random without agent."""
    envs, rng, looked = make_envs(args, "test"), np.random.default_rng(args.seed), 0
    right: list[float] = []
    rounds = -(-args.test_episodes // args.num_envs)
    for number in range(rounds):
        places = np.arange(number * args.num_envs, (number + 1) * args.num_envs)
        obs, _ = envs.reset(seed=args.seed, options={"index": places.tolist()})
        over = np.zeros(args.num_envs, bool)
        for turn in range(SETTINGS.max_turns):
            actions = rng.integers(envs.single_action_space.n, size=args.num_envs)
            if agent is not None:
                with torch.no_grad():
                    actions = agent(torch.tensor(obs, dtype=torch.float32))[0].probs.argmax(-1).numpy()
            obs, _, terminated, truncated, infos = envs.step(actions)
            ended = (terminated | truncated) & ~over
            right += scores(infos, ended)
            looked += int((infos["action"] == "code").sum()) if turn == 0 else 0
            over |= ended
            if over.all():
                break
    envs.close()
    return float(np.mean(right or [np.nan])), looked / (rounds * args.num_envs)


def main(args: Args) -> None:
    """Check, train, evaluate, draw."""
    check_env(gym.make("deepeyes_env:DeepEyesMenu-v0", **args.env("train")))
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    shuffler = np.random.default_rng(args.seed)
    envs = make_envs(args, "train")
    agent = Agent(envs.single_action_space.n)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    chance = evaluate(args, None)[0]
    print(f"at random: {chance:.1%} of {args.test_episodes} held-out tasks right")

    shape = (args.num_steps, args.num_envs)
    obs = torch.zeros((*shape, *envs.single_observation_space.shape))
    actions, logprobs, rewards, dones, values, failed = (torch.zeros(shape) for _ in range(6))
    next_obs = torch.tensor(envs.reset(seed=args.seed)[0], dtype=torch.float32)
    next_done = torch.zeros(args.num_envs)
    curve: list[tuple[int, float]] = []
    updates, begun = args.total_steps // (args.num_steps * args.num_envs), time.perf_counter()

    for update in range(updates):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / updates)
        right: list[float] = []

        for step in range(args.num_steps):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                chosen, values[step] = agent(next_obs)
                actions[step] = chosen.sample()
                logprobs[step] = chosen.log_prob(actions[step])
            seen, reward, terminated, truncated, infos = envs.step(actions[step].long().numpy())
            next_obs, rewards[step] = torch.tensor(seen, dtype=torch.float32), torch.tensor(reward)
            ended = terminated | truncated
            next_done = torch.tensor(ended, dtype=torch.float32)
            failed[step] = torch.tensor(infra_failed(infos, args.num_envs))
            right += scores(infos, ended)

        with torch.no_grad():
            following, after, last = agent(next_obs)[1], 1 - next_done, torch.zeros(args.num_envs)
            advantages, lost = torch.zeros(shape), torch.zeros(args.num_envs)
            for step in reversed(range(args.num_steps)):
                delta = rewards[step] + args.gamma * following * after - values[step]
                advantages[step] = last = delta + args.gamma * args.gae_lambda * after * last
                failed[step] = lost = failed[step] + after * lost  # back to the episode's first turn
                following, after = values[step], 1 - dones[step]
            returns = advantages + values

        # A turn after the end of an episode was not heard; a failed infrastructure is not the policy's doing.
        heard = np.flatnonzero((dones + failed).flatten().numpy() == 0)
        flat = [each.flatten(0, 1) for each in (obs, actions, logprobs, advantages, returns)]
        for _ in range(args.epochs):
            for part in np.array_split(shuffler.permutation(heard), args.minibatches):
                if len(part) < 2:  # nearly all has failed: there is no deviation to divide by
                    continue
                b_obs, b_actions, b_logprobs, b_advantages, b_returns = (each[part] for each in flat)
                chosen, value = agent(b_obs)
                ratio = (chosen.log_prob(b_actions) - b_logprobs).exp()
                b_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
                clipped = ratio.clamp(1 - args.clip, 1 + args.clip)
                policy_loss = -torch.min(ratio * b_advantages, clipped * b_advantages).mean()
                value_loss = 0.5 * (value - b_returns).square().mean()
                loss = policy_loss + args.value * value_loss - args.entropy * chosen.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()

        curve.append(((update + 1) * args.num_steps * args.num_envs, float(np.mean(right or [np.nan]))))
        print(f"turns {curve[-1][0]:6d}  right {curve[-1][1]:6.1%}", flush=True)

    envs.close()
    accuracy, looked = evaluate(args, agent)
    seconds = time.perf_counter() - begun
    print(f"learned in {seconds:.0f} s: {accuracy:.1%} right, {looked:.1%} looked closer first")
    if args.curve is not None:
        draw_curve(args.curve, "PPO in one file (CleanRL's style)", curve, chance, accuracy)


if __name__ == "__main__":
    main(tyro.cli(Args))
