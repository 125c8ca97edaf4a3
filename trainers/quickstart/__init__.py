"""The main job on a laptop, from nothing to a report."""
