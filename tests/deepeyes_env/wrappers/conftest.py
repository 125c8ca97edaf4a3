"""The wrappers are tried on the small tasks and services of the environment's own tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
