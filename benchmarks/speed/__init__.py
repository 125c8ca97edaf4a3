"""Speed of the system's parts, as ratios against peers that do the same work in the same run."""
