"""What `deepeyes tasks` does: list families, show their pictures, prove their tags, name their sources."""
