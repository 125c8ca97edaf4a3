"""What the servers of `deepeyes serve` share: a gate, and a socket to listen at. Needs the extra `serve`."""
