#!/usr/bin/env bash
# Builds the environments in which tests open our exports with the real tools (docs/benchmarks.md):
#   DIRECTORY/inspect   inspect_ai
#   DIRECTORY/lmms      lmms-eval, and VLMEvalKit from its repository, which is on no package index
# usage: interchange_tools.sh DIRECTORY TORCH REPOSITORY; PYTHON chooses the interpreter (3.11 - 3.13).
set -euo pipefail
usage="usage: interchange_tools.sh DIRECTORY TORCH REPOSITORY"
directory=${1:?$usage} torch=${2:?$usage} repository=${3:?$usage}
project=$(cd "$(dirname "$0")/.." && pwd)
commit=e8e78f05  # of VLMEvalKit, the one that the exporter was written against

"${PYTHON:-python3}" -m venv "$directory/inspect"
"$directory/inspect/bin/python" -m pip install --quiet inspect_ai==0.3.285 --editable "$project"

"${PYTHON:-python3}" -m venv "$directory/lmms"
python=$directory/lmms/bin/python
"$python" -m pip install --quiet "$torch"
# lmms-eval 0.7.3 imports `filelock._api`, which later ones do not have.
"$python" -m pip install --quiet lmms_eval==0.7.3 filelock==3.20.0
# Last, because lmms-eval asks for a math-verify that is older than ours; both run with the newer one.
"$python" -m pip install --quiet --editable "$project[train,api]"
# What VLMEvalKit needs to score; its setup.py would bring gigabytes more, for which the tests have stand-ins.
"$python" -m pip install --quiet tabulate validators portalocker xlsxwriter openpyxl json_repair
[ -d "$directory/VLMEvalKit" ] || git clone --quiet "$repository" "$directory/VLMEvalKit"
git -C "$directory/VLMEvalKit" checkout --quiet "$commit"
packages=$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
(cd "$directory/VLMEvalKit" && pwd) >"$packages/vlmevalkit.pth"
"$python" -c "import lmms_eval, vlmeval; print('lmms-eval and VLMEvalKit in', '$directory/lmms')"
