import copy
import gc
import weakref

import pytest
import torch
from torch.optim.optimizer import _global_optimizer_post_hooks

from agents.weight_watch import WeightWatch


@pytest.fixture
def model() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


def test_a_first_look_counts_and_a_second_finds_nothing_new(model):
    watch = WeightWatch(model)
    assert [watch.changed() for _ in range(3)] == [True, False, False]
    model(torch.ones(1, 3)).sum().backward()
    model.eval()
    assert not watch.changed()


@pytest.mark.parametrize("how", [{"fused": True}, {"foreach": True}, {"foreach": False}])
def test_an_optimisers_step_counts(model, how):
    watch = WeightWatch(model)
    watch.changed()
    optimizer = torch.optim.AdamW(model.parameters(), **how)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert [watch.changed(), watch.changed()] == [True, False]


def test_new_values_and_new_tensors_count(model):
    watch = WeightWatch(model)
    watch.changed()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert watch.changed()
    model.load_state_dict(state, assign=True)
    assert [watch.changed(), watch.changed()] == [True, False]
    with torch.inference_mode():
        model.weight.mul_(2)
    assert watch.changed()


def test_the_training_of_a_copy_does_not_count(model):
    """Else what a copy that samples has kept would be dropped whenever the trainer gets round to a step."""
    copied = copy.deepcopy(model)
    watch, other = WeightWatch(copied), WeightWatch(model)
    watch.changed(), other.changed()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert (watch.changed(), other.changed()) == (False, True)


def test_a_watch_does_not_keep_its_model():
    model = torch.nn.Linear(3, 2)
    watched, hooks = weakref.ref(model), len(_global_optimizer_post_hooks)
    watch = WeightWatch(model)
    assert watch.changed()
    assert len(_global_optimizer_post_hooks) == hooks + 1
    del watch, model
    gc.collect()
    assert watched() is None
    assert len(_global_optimizer_post_hooks) == hooks
