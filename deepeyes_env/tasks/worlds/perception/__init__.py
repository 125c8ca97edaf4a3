"""Families that need eyes: the answer is in the picture, and small, hidden or spoilt."""
