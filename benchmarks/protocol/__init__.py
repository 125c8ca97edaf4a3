"""`deepeyes eval`: asks a policy all items of suites, in every mode, and goes on where it was interrupted."""
