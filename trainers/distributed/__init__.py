"""One optimiser update in one process or many, and what processes tell each other."""
