#!/usr/bin/env bash
# Builds one environment for each foreign framework, because their pins exclude ours or one another's
# (docs/plugins.md): DIRECTORY/NAME from scripts/plugins/NAME.txt. Each sees the packages of BASE behind its own, so
# that torch and the project itself are installed once and only what differs is fetched (by pip: uv does not look behind).
# A file may name options of its own for pip (`# pip: --no-deps`), which pip reads from no requirements file.
# usage: plugins.sh BASE DIRECTORY [NAME ...]; without names, all of them.
set -euo pipefail
usage="usage: plugins.sh BASE DIRECTORY [NAME ...]"
base=${1:?$usage} directory=${2:?$usage}
shift 2
requirements=$(cd "$(dirname "$0")/plugins" && pwd)
if [ $# = 0 ]; then
  set -- $(cd "$requirements" && ls -- *.txt | sed 's/\.txt$//')
fi
shared=$("$base/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
for name in "$@"; do
  [ "$directory/$name/.installed" -nt "$requirements/$name.txt" ] && continue
  "$base/bin/python" -m venv --without-pip "$directory/$name"
  python=$directory/$name/bin/python
  packages=$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
  echo "import site; site.addsitedir('$shared')" >"$packages/base.pth"
  options=$(sed -n 's/^# pip: //p' "$requirements/$name.txt")
  # shellcheck disable=SC2086 # several words
  "$base/bin/python" -m pip --python "$python" install --quiet $options --requirement "$requirements/$name.txt"
  touch "$directory/$name/.installed"
done
