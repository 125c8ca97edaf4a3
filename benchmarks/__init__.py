"""Measures policies on tasks, and later the system itself; the top of the house, imported by nothing."""
