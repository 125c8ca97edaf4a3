"""Rewards: accuracy, format, and how they combine (reference 3)."""
