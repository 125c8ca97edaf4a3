from __future__ import annotations

import asyncio

import pytest

from agents.event_loop import run


def test_ctrl_c_elsewhere_just_when_the_work_is_done_leaves_the_loop_usable():
    def interrupt():
        raise KeyboardInterrupt

    async def work():
        asyncio.get_running_loop().call_soon(interrupt)

    with pytest.raises(KeyboardInterrupt):
        run(work())
    assert run(asyncio.sleep(0, "usable")) == "usable"
