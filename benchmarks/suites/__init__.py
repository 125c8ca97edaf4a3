"""Public benchmarks as task sources: one readable file each, all of them a `suite.Suite`."""
