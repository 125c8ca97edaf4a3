from collections import Counter

from deepeyes_env.images import EncodedImage
from deepeyes_env.stripes import Stripes


def test_objects_in_a_row_do_not_share_a_few_locks() -> None:
    images = [EncodedImage(b"", 1, 1, "") for _ in range(2_000)]
    stripes = Stripes()
    shared = Counter(id(stripes.of(id(image))) for image in images)
    assert len(shared) > 32
    assert max(shared.values()) < 200


def test_equal_keys_have_the_same_lock() -> None:
    stripes = Stripes()
    assert stripes.of(7) is stripes.of(7)
    before = stripes.of(7)
    stripes.renew()
    assert stripes.of(7) is not before
