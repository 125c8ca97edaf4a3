"""Families that need a fact which only the pages hold."""
