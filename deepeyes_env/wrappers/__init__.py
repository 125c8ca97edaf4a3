"""Gymnasium wrappers: other actions and other observations for the same episodes."""
