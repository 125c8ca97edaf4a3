import sys
from pathlib import Path

# The tests that become other users, and this directory's own modules, are imported by their names.
sys.path += [str(Path(__file__).parents[1] / "deepeyes_env" / "sandbox"), str(Path(__file__).parent)]
