#!/usr/bin/env bash
# Trains with verl on several nodes. They share this folder; start the script in it, on every node:
#   NODES=4 configs/verl/launch.sh head [SETTING=VALUE ...]     # on the first, e.g. data.train_files=mine.parquet
#   configs/verl/launch.sh join HEAD_ADDRESS                    # on each of the others
# Keys ($SERPER_API_KEY, $DEEPEYES_JUDGE_API_KEY) must be set on every node: episodes run on all of them. `ray stop`
# on each node frees it afterwards.
set -euo pipefail
usage="usage: [NODES=4] [GPUS=8] [PORT=6379] launch.sh head [SETTING=VALUE ...] | join HEAD_ADDRESS"
port=${PORT:-6379}
usage() {
  echo "$usage" >&2
  exit 2
}
cd "$(dirname "$0")/../.." # relative paths of the settings begin here
case ${1:-} in
  join)
    [ -n "${2:-}" ] || usage
    ray start --address "$2:$port"
    ;;
  head)
    nodes=${NODES:-4}
    ray start --head --port "$port"
    until [ "$(ray status | grep -c ' node_')" -ge "$nodes" ]; do sleep 5; done
    RAY_ADDRESS=auto exec python -m verl.trainer.main_ppo \
      --config-dir configs/verl --config-name deepeyes-7b \
      trainer.nnodes="$nodes" trainer.n_gpus_per_node="${GPUS:-8}" "${@:2}"
    ;;
  *)
    usage
    ;;
esac
