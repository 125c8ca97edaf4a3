"""`--dry-run`: checks before a GPU is touched, and the plan of memory and time."""
