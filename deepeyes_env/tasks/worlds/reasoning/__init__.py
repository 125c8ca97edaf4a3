"""Families that need a calculation over what the picture shows."""
