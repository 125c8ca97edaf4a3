"""Families that need all three: eyes, a calculation, and a fact from the pages."""
