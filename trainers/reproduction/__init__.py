"""The microcosm: the paper's claims on a tiny policy and generated tasks, on a laptop."""
