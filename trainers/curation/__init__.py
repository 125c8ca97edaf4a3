"""Data for cold start and reinforcement learning, chosen and made as in the paper (reference 4.1)."""
