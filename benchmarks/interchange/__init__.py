"""Evaluations in the files of other harnesses, and our agent as a model inside them."""
