"""How the suite is shared out among workers."""

import pytest


def test_the_tests_of_a_module_stay_on_one_worker(request):
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("tests are not shared out by groups: --dist loadgroup")
    # pytest-xdist writes the group behind the identifier, and shares out by what it finds there.
    assert request.node.nodeid.endswith(f"@{request.path}")
