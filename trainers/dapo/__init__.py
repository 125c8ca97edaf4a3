"""Reinforcement learning: DAPO on rollouts in the environment."""
