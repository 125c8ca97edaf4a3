"""Under Ray's interpreter, on two nodes: the kit, the documented example and `deepeyes rollout --ray`.

usage: ray_conformance.py EXAMPLE DIRECTORY
"""

import sys
from pathlib import Path

import ray
from ray_cluster import cluster_of

from agents.rollout_command import main as rollout
from agents.store import RECORDS
from deepeyes_env.adapters.ray import RayConfig, RayVectorEnv
from deepeyes_env.testing import Played, Script, adapter_config, check_adapter
from deepeyes_env.testing.reference import play_in_slots

SETTINGS = "slots = 2\n"

ENV = """
prompt = "minimal"
[source]
families = ["at-a-glance", "closer-look"]
"""


class RayDriver:
    def __init__(self, envs: RayVectorEnv) -> None:
        self.envs = envs

    def play(self, scripts: list[Script]) -> list[Played]:
        return play_in_slots(self.envs, scripts)


def main(example: Path, directory: Path) -> None:
    with cluster_of({"num_cpus": 1}, {"num_cpus": 1}) as (cluster, nodes):
        envs = RayVectorEnv(19, adapter_config(), cluster=RayConfig(slots=10))
        check_adapter(RayDriver(envs))
        assert {worker.node for worker in envs.host.pool.workers} == {node.node_id for node in nodes}
        envs.close()
        exec(compile(example.read_text(), str(example), "exec"), {"__name__": "example"})

        (directory / "env.toml").write_text(ENV)
        (directory / "ray.toml").write_text(SETTINGS)
        where = f"--policy oracle --n 6 --num-envs 4 --env {directory / 'env.toml'}"
        on_cluster = f"--ray {cluster.address} --ray-settings {directory / 'ray.toml'}"
        rollout(f"{where} --out {directory / 'here'}".split())
        rollout(f"{where} --out {directory / 'there'} {on_cluster}".split())
        assert (directory / "here" / RECORDS).read_bytes() == (directory / "there" / RECORDS).read_bytes()
        assert ray.is_initialized()
    print("conforms")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
