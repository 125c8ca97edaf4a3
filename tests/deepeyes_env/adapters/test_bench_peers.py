"""Peers of `deepeyes bench env` that need an environment of their own, as the frameworks of adapters do."""

_PLAY = """
from benchmarks.speed.env import GEM, LOOPS
from benchmarks.speed.env_load import EnvLoad
from benchmarks.speed.env_loops import gem_vector
print(gem_vector().AsyncVectorEnv.__module__, gem_vector().__file__)
for side in (0, 56):
    with LOOPS[GEM](EnvLoad(envs=2, turns=3, waves=2, latency=0.001, side=side)) as play:
        seen = play()
        print(seen.images, round(seen.rewards, 9))
"""


def test_gem_plays_in_its_own_code(plugin):
    module, file, *seen = plugin("bench").run("-c", _PLAY).split()
    assert module == "gem.vector.async_vector_env"
    assert "site-packages" in file
    assert seen == ["0", "4.0", "8", "4.0"]
