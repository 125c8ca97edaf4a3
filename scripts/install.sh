#!/usr/bin/env bash
# Installs with uv, which is several times faster, and where that fails with pip: uv reads no pip.conf, so it may not
# find an index that pip finds.
# usage: install.sh PYTHON ARGUMENT ...; the arguments are those of `pip install`.
set -euo pipefail
python=${1:?usage: install.sh PYTHON ARGUMENT ...}
shift
# Compiled once, here: sandboxes may not write beside what they import, and would compile it at every start.
"$python" -m pip install --quiet uv &&
  "$python" -m uv pip install --quiet --compile-bytecode "$@" ||
  "$python" -m pip install --quiet "$@"
