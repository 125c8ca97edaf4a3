"""The image-search cache of the released data, alone and behind the task source."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepeyes_env import DeepEyesEnv
from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import SearchEngine, SearchErrorKind
from deepeyes_env.search.image_cache import ImageCacheEngine
from deepeyes_env.tasks import DeepEyesV2Config, open_source
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.worlds.oracles.turns import image_search, picture_titles

QUESTION = EncodedImage.from_pil(Image.new("RGB", (60, 40), "navy"))


def write_cache(folder: Path, cache: Any) -> Path:
    for name in ("a.png", "cached_images/b.png", "cached_images/train/c.png"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 30), "teal").save(file)
    (folder / "broken.png").write_bytes(b"no picture")
    path = folder / "fvqa_train_image_search_results_cache.json"
    path.write_text(json.dumps(cache))
    return path


def entry(*pairs: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "tool_returned_web_title": [title for title, _ in pairs],
        "cached_images_path": [path for _, path in pairs],
    }


CACHE = {
    "fvqa_1": entry(
        ("One", "a.png"),
        ("No picture", None),
        ("Two\nlines", "b.png"),
        ("Missing", "gone.png"),
        ("Broken", "broken.png"),
        ("Three", "c.png"),
    ),
    "fvqa_2": entry(("Gone", "gone.png")),
}


def test_titles_and_pictures_are_dropped_in_pairs(tmp_path: Path) -> None:
    engine = ImageCacheEngine(write_cache(tmp_path, CACHE))
    assert isinstance(engine, SearchEngine)
    engine.bind(QUESTION, "fvqa_1")
    response = engine.search_image(QUESTION.decode())
    assert [(hit.rank, hit.title, hit.doc_id) for hit in response.hits] == [
        (1, "One", "fvqa_1"),
        (2, "Two lines", "fvqa_1"),
        (3, "Three", "fvqa_1"),
    ]
    assert all(hit.thumbnail and hit.thumbnail.width == 30 for hit in response.hits)
    assert [hit.title for hit in engine.search_image(QUESTION.decode(), 2).hits] == ["One", "Two lines"]


def test_only_whole_images_of_known_questions_are_found(tmp_path: Path) -> None:
    engine = ImageCacheEngine(write_cache(tmp_path, CACHE))
    image = QUESTION.decode()
    assert engine.search_image(image).error is SearchErrorKind.NO_RESULTS
    engine.bind(QUESTION, "another")
    assert engine.search_image(image).error is SearchErrorKind.NO_RESULTS
    engine.bind(QUESTION, "fvqa_1")
    assert engine.search_image(image, region=(0, 0, 60, 40)).error is None
    assert engine.search_image(image, region=(0, 0, 30, 40)).error is SearchErrorKind.NO_RESULTS
    assert engine.search_image(image, region=(0, 0, 61, 40)).error is SearchErrorKind.BAD_REQUEST
    assert engine.search_image(image.resize((30, 80))).error is SearchErrorKind.NO_RESULTS
    assert engine.search_text("x").error is SearchErrorKind.UNSUPPORTED
    engine.bind(QUESTION, "fvqa_2")
    assert engine.search_image(image).error is SearchErrorKind.NO_RESULTS


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "x/../../a.png", "a\0.png", 5, ["a.png"]])
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, name: Any) -> None:
    path = write_cache(tmp_path, {"fvqa_1": entry(("One", name))})
    with pytest.raises(DatasetError, match=r"leads out of the cache's folder|is no path"):
        ImageCacheEngine(path)


def test_a_link_that_leads_elsewhere_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "secret.png")
    (tmp_path / "cache" / "link.png").symlink_to(tmp_path / "secret.png")
    inside = str(tmp_path / "cache" / "a.png")
    path = write_cache(tmp_path / "cache", {"fvqa_1": entry(("Link", "link.png"), ("Whole path", inside))})
    engine = ImageCacheEngine(path)
    engine.bind(QUESTION, "fvqa_1")
    assert [hit.title for hit in engine.search_image(QUESTION.decode()).hits] == ["Whole path"]


class Mine:
    """Would call this process names if it was unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was read",)


def test_pickles_are_refused_by_name_and_by_content(tmp_path: Path) -> None:
    for name in ("cache.pkl", "cache.json"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Mine()))
        with pytest.raises(DatasetError, match=r"pickle.*use fvqa_train_image_search_results_cache.json"):
            ImageCacheEngine(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": []}', '{"a": {"tool_returned_web_title": []}}', "[" * 9999]
)
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"cache\.json"):
        ImageCacheEngine(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        ImageCacheEngine(tmp_path / "none.json")


def test_an_episode_over_released_data_searches_the_cache(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "prompt": [{"role": "user", "content": "<image>\nWhat is it?"}],
            "images": [
                {"bytes": EncodedImage.from_pil(Image.new("RGB", (60, 40), colour)).data, "path": None}
            ],
            "env_name": "deepeyes_v2",
            "data_source": "search",
            "reward_model": {"ground_truth": "a flag", "style": "rule"},
            "extra_info": {"index": index, "question": "What is it?", "answer": "a flag"},
        }
        for colour, index in (("navy", "fvqa_1"), ("red", "perception_7"))
    ]
    table = tmp_path / "search.parquet"
    pq.write_table(pa.Table.from_pylist(rows), table)
    source = open_source(
        DeepEyesV2Config(train=(str(table),), image_search_cache=str(write_cache(tmp_path, CACHE)))
    )
    env = DeepEyesEnv(tasks=source, prompt="minimal")
    seen = []
    for index in (0, 1):
        env.reset(options={"index": index})
        env.step(image_search("a"))
        assert env.episode is not None
        seen.append(picture_titles(env.episode.observations[-1]))
    env.close()
    assert seen == [["One", "Two lines", "Three"], []]
    assert open_source(DeepEyesV2Config(train=(str(table),))).search_engine() is None
