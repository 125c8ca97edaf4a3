"""The policy behind `await`: batching by tick, cancellation, errors, event loops and new weights."""

import asyncio
import copy
import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from talk import mixed, prompt, tiny, vocabulary

from agents.policy import Sample, SamplingParams
from agents.transformers_policy import TransformersPolicy

PARAMS = SamplingParams(max_tokens=24)
LONG = SamplingParams(max_tokens=100_000, stop=())


@pytest.fixture
def policy() -> TransformersPolicy:
    return fresh()


def fresh(model=None, **settings) -> TransformersPolicy:
    return TransformersPolicy(tiny().model if model is None else model, tiny().tokenizer, **settings)


async def together(policy: TransformersPolicy, requests, params=PARAMS) -> list[Sample]:
    return await asyncio.gather(*(policy.generate(request, params) for request in requests))


def assert_same(samples, others, tolerance=1e-5) -> None:
    for sample, other in zip(samples, others, strict=True):
        np.testing.assert_array_equal(sample.token_ids, other.token_ids)
        np.testing.assert_allclose(sample.logprobs, other.logprobs, rtol=0, atol=tolerance)


@contextmanager
def hooked(hook, module=None) -> Iterator[None]:
    handle = (module or tiny().model.lm_head).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def never_end(_module, _inputs, logits):
    logits[..., vocabulary().im_end] = -1e4
    return logits


def announce(begun: asyncio.Event):
    """A hook that tells the event loop that the worker thread is at work."""
    loop = asyncio.get_running_loop()

    def hook(*_) -> None:
        loop.call_soon_threadsafe(begun.set)

    return hook


def test_awaited_samples_equal_those_of_generate_all_in_every_event_loop(policy):
    expected = fresh().generate_all(mixed(), PARAMS)
    assert_same(asyncio.run(together(policy, mixed())), expected)
    assert_same(asyncio.run(together(policy, mixed())), expected)
    assert_same(policy.generate_all(mixed(), PARAMS), expected)


def test_what_is_asked_for_in_one_tick_is_decoded_together_to_the_bit(policy):
    rows: list[int] = []
    with hooked(lambda _module, _inputs, logits: rows.append(len(logits))):
        results = []
        for _ in range(3):
            policy.forget()
            rows.clear()
            results.append(asyncio.run(together(policy, mixed())))
            # Five different prompts, six turns.
            assert rows[:2] == [5, 6]
    assert_same(results[0], results[1], tolerance=0)
    assert_same(results[0], results[2], tolerance=0)


def test_a_turn_enters_while_others_are_decoded(policy):
    request = prompt(0, 3).to_request(0)
    short = replace(prompt(1, 9).to_request(1), seed=3)

    async def late() -> tuple[Sample, bool]:
        begun = asyncio.Event()
        with hooked(announce(begun)), hooked(never_end):
            long = asyncio.create_task(policy.generate(request, LONG))
            await begun.wait()
            sample = await policy.generate(short, PARAMS)
            waiting = not long.done()
            long.cancel()
            await asyncio.gather(long, return_exceptions=True)
            await policy.close()
        return sample, waiting

    with hooked(never_end):
        expected = fresh().generate_all([short], PARAMS)
    sample, waiting = asyncio.run(late())
    assert waiting
    assert_same([sample], expected)


def test_a_cancelled_call_gives_up_its_row(policy):
    first, *others = mixed()

    async def cancel_first() -> list[Sample]:
        begun = asyncio.Event()
        with hooked(announce(begun)):
            doomed = asyncio.create_task(policy.generate(first, LONG))
            waiting = asyncio.create_task(together(policy, others))
            await begun.wait()
            doomed.cancel()
            samples = await waiting
        with pytest.raises(asyncio.CancelledError):
            await doomed
        await policy.close()
        return samples

    with hooked(never_end):
        samples = asyncio.run(cancel_first())
        assert policy._engine.idle
        assert not policy._calls
        assert_same(samples, fresh().generate_all(others, PARAMS))


def test_an_event_loop_that_ends_takes_its_calls_along(policy):
    async def leave() -> asyncio.Task[Sample]:
        task = asyncio.create_task(policy.generate(mixed()[0], LONG))
        await asyncio.sleep(0.05)
        return task

    with hooked(never_end):
        task = asyncio.run(leave())
    assert task.cancelled()
    expected = fresh().generate_all(mixed(), PARAMS)
    assert_same(asyncio.run(together(policy, mixed())), expected)


def test_an_event_loop_closed_before_work_began_does_not_block_the_next(policy):
    loop = asyncio.new_event_loop()

    async def ask_and_stop() -> None:
        asyncio.create_task(policy.generate(mixed()[0], PARAMS)).add_done_callback(lambda _: None)
        await asyncio.sleep(0)
        loop.stop()

    task = loop.create_task(ask_and_stop())
    loop.run_forever()
    loop.close()
    assert task.done()
    assert policy._waker is loop
    assert_same(asyncio.run(together(policy, mixed())), fresh().generate_all(mixed(), PARAMS))


def test_an_error_reaches_every_call_and_leaves_the_policy_usable(policy):
    calls: list[int] = []

    def fail_in_the_third_pass(*_):
        calls.append(1)
        if len(calls) == 3:
            raise FloatingPointError("the device is gone")

    small = fresh(max_rows=2)
    for one in (policy, small):
        calls.clear()
        with hooked(fail_in_the_third_pass), hooked(never_end):

            async def all_of_them(one=one) -> list[Sample | BaseException]:
                calls = (one.generate(request, PARAMS) for request in mixed())
                return await asyncio.gather(*calls, return_exceptions=True)

            errors = asyncio.run(all_of_them())
        assert [str(error) for error in errors] == ["the device is gone"] * 6
        assert_same(asyncio.run(together(one, mixed())), fresh().generate_all(mixed(), PARAMS))


def test_an_error_in_generate_all_leaves_the_policy_usable(policy):
    def fail(*_):
        raise FloatingPointError("the device is gone")

    with hooked(fail), pytest.raises(FloatingPointError):
        policy.generate_all(mixed(), PARAMS)
    assert_same(policy.generate_all(mixed(), PARAMS), fresh().generate_all(mixed(), PARAMS))


def test_a_wrong_request_fails_alone(policy):
    right = mixed()[1]
    wrong = replace(right, images=(), conversation="c7")

    async def both() -> list[Sample | BaseException]:
        calls = (policy.generate(request, PARAMS) for request in (wrong, right))
        return await asyncio.gather(*calls, return_exceptions=True)

    error, sample = asyncio.run(both())
    assert isinstance(error, ValueError)
    assert "request 'c7': 6 image placeholders" in str(error)
    assert_same([sample], fresh().generate_all([right], PARAMS))


def test_new_weights_hold_for_what_is_asked_for_after_them():
    old, new = copy.deepcopy(tiny().model), copy.deepcopy(tiny().model)
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.mul_(0.9)
    policy = fresh(old)

    async def swap() -> tuple[list[Sample], list[Sample]]:
        before = asyncio.gather(*(policy.generate(request, PARAMS) for request in mixed()))
        await asyncio.sleep(0)
        update = asyncio.create_task(policy.update_weights(new))
        await asyncio.sleep(0)
        after = await together(policy, mixed())
        assert update.done()
        return await before, after

    expected = fresh(copy.deepcopy(old)).generate_all(mixed(), PARAMS)
    before, after = asyncio.run(swap())
    assert_same(before, expected)
    assert_same(after, fresh(new).generate_all(mixed(), PARAMS))
    assert before[0].logprobs[0] != after[0].logprobs[0]


def test_weights_that_do_not_fit_are_refused_and_leave_the_policy_usable(policy):
    from agents.tiny import TinyShape, build_tiny

    other = build_tiny(shape=TinyShape(hidden=32, layers=1, vision_layers=1)).model
    with pytest.raises(RuntimeError, match="size mismatch"):
        asyncio.run(policy.update_weights(other))
    assert_same(asyncio.run(together(policy, mixed())), fresh().generate_all(mixed(), PARAMS))


def test_taking_over_its_own_model_or_closing_drops_what_was_kept(policy):
    async def both() -> None:
        for drop in (lambda: policy.update_weights(policy.model), policy.close, policy.close):
            await together(policy, mixed())
            assert len(policy._engine._kept)
            await drop()
            assert not len(policy._engine._kept)
            assert not policy._engine._cache._tensor.nbytes

    asyncio.run(both())


def test_forgetting_while_a_turn_is_decoded_waits_for_the_next_one(policy):
    async def forget_meanwhile() -> list[int]:
        await together(policy, mixed())
        begun = asyncio.Event()
        with hooked(announce(begun)), hooked(never_end):
            long = asyncio.create_task(policy.generate(mixed()[0], LONG))
            await begun.wait()
            policy.forget()
            passes: list[int] = []

            def count(_module, _inputs, output):
                passes.append(output.last_hidden_state.shape[1])

            with hooked(count, tiny().model.model.language_model):
                await policy.generate(mixed()[1], replace(PARAMS, max_tokens=2))
            long.cancel()
            await policy.close()
        return passes

    passes = asyncio.run(forget_meanwhile())
    assert len(mixed()[1].input_ids) in passes


def test_results_come_after_the_model_is_back_in_its_mode(policy):
    model = tiny().model

    async def look() -> list[bool]:
        modes = []
        for _ in range(10):
            await policy.generate(mixed()[0], replace(PARAMS, max_tokens=2))
            modes.append(model.training)
        return modes

    model.train()
    try:
        assert all(asyncio.run(look()))
    finally:
        model.eval()


def test_a_dropped_policy_leaves_no_thread_behind():
    before = set(threading.enumerate())
    policy = fresh()
    asyncio.run(together(policy, mixed()[:2]))
    [worker] = set(threading.enumerate()) - before
    gone = weakref.ref(policy)
    del policy
    gc.collect()
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert gone() is None
