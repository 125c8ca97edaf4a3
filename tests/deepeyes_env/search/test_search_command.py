import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.command import main
from deepeyes_env.tasks.dataset_error import DatasetError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "tower.md").write_text("# Tower of [Ost]\n\nIt is 40 m high.")
    flag = Image.new("RGB", (60, 40), "navy")
    ImageDraw.Draw(flag).ellipse((5, 5, 30, 30), fill="gold")  # a picture of one colour looks like nothing
    flag.save(folder / "flag.png")
    (folder / "flag.txt").write_text("The flag of Ost")
    return folder


def test_index_then_query(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tmp_path / "index"
    assert main(["index", str(corpus), "--output", str(index)]) == 0
    assert "2 documents, 1 of them with pictures: 2 written, 0 kept" in capsys.readouterr().out
    assert main(["index", str(corpus), "-o", str(index)]) == 0
    assert "0 written, 2 kept" in capsys.readouterr().out
    assert main(["query", str(index), "how high is it in Ost"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("Tower of [Ost]") < shown.index("The flag of Ost")
    assert main(["query", str(index), "--image", str(corpus / "flag.png")]) == 0
    assert "60 x 40 pixels" in capsys.readouterr().out
    assert main(["query", str(index), "zeppelin"]) == 1
    assert "no_results" in capsys.readouterr().out


def test_mistakes_are_the_users(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not an index"):
        main(["query", str(corpus), "words"])
    file = tmp_path / "c.jsonl"
    file.write_text("".join(json.dumps({"id": "1", "contents": "a"}) + "\n" for _ in range(2)))
    with pytest.raises(DatasetError, match="row 1: the id '1' is there already"):
        main(["index", str(file), "-o", str(tmp_path / "i")])
    main(["index", str(corpus), "-o", str(tmp_path / "index")])
    for wrong in ([], ["words", "-k", "0"], ["--image", str(tmp_path / "none.png")]):
        with pytest.raises(ConfigError):
            main(["query", str(tmp_path / "index"), *wrong])


def test_parts_are_listed_and_misspellings_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "index" in capsys.readouterr().out
    assert main(["indx"]) == 2
    assert "index" in capsys.readouterr().err
