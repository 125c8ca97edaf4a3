"""Trainers: SFT on token-masked trajectories, then DAPO on rollouts of the environment."""

from __future__ import annotations

import os

# torch's OpenMP threads spin while they wait. Beside sandboxes and environment threads on the same cores,
# that makes a training step several times slower, so they shall sleep. It must be set before torch is first
# imported. A user's own setting wins.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
