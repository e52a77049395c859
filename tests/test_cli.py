from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import LinearProbe, MobileNetFeatures
from sktransfer.cache import DiskStore
from sktransfer.cli import main
from sktransfer.evaluation import run_benchmark

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def image_folder(tmp_path, small_images, small_labels):
    """The small images as files, in a folder for each class."""
    folder = tmp_path / "images"
    for index, (image, label) in enumerate(zip(small_images, small_labels, strict=True)):
        path = folder / label / f"{index:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture
def finished_run(tmp_path, image_folder):
    """The folder of a benchmark of a probe on a network of random weights."""

    def make_estimator(strategy, *, recipe, random_state=0):
        features = MobileNetFeatures(weights=None, input_size=32, random_state=random_state)
        return make_pipeline(features, StandardScaler(), LinearProbe(C=1.0))

    output = tmp_path / "run"
    run_benchmark(
        "folder",
        ["probe"],
        output=output,
        data=image_folder,
        make_estimator=make_estimator,
        progress=False,
    )
    return output


@pytest.fixture
def cache(tmp_path):
    """The folder of a cache with two rows."""
    store = DiskStore(tmp_path / "cache")
    store.put([b"one", b"two"], np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32))
    return store.path


def spoil(file):
    """Change the first of the rows in a file of the cache."""
    good, bad = np.array([1, 2, 3], dtype=np.float32), np.array([1, 2, 4], dtype=np.float32)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(good.tobytes(), bad.tobytes()))


def test_bench_trains_scores_and_predicts(tmp_path, image_folder, capsys):
    output = tmp_path / "out"
    arguments = ["bench", "--dataset", "folder", "--data", str(image_folder)]
    arguments += ["--strategies", "cnn", "--epochs", "2", "--output", str(output)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "test_%" in printed
    assert str(output) in printed
    table = pd.read_csv(output / "results.csv", keep_default_na=False)
    assert table["strategy"].tolist() == ["cnn"]
    assert table["epochs"].tolist() == [2]
    assert table["total_params"].item() == table["deployed_params"].item() > 0
    assert (output / "figures" / "learning-cnn.png").exists()
    assert "Conv2D" in (output / "layers" / "cnn.csv").read_text()
    assert (output / "summaries" / "cnn.txt").read_text().strip()
    file = str(image_folder / "grass" / "01.png")
    assert main(["predict", str(output), file]) == 0
    assert capsys.readouterr().out.startswith(f"{file}\t")


def test_resume_does_what_is_missing(tmp_path, image_folder, capsys):
    output = tmp_path / "out"
    arguments = ["bench", "--dataset", "folder", "--data", str(image_folder), "--cv", "2"]
    arguments += ["--strategies", "cnn", "--epochs", "1", "--output", str(output)]
    assert main(arguments) == 0
    record = output / "record.jsonl"
    first, _ = record.read_text().splitlines()
    record.write_text(first + "\n")
    assert main(["resume", str(output)]) == 0
    assert "cells" in capsys.readouterr().out
    assert record.read_text().splitlines()[0] == first
    assert len(pd.read_csv(output / "results.csv")) == 2
    assert main(["resume", str(tmp_path / "nowhere")]) == 2
    assert "not the folder of a benchmark" in capsys.readouterr().err


def test_bench_tells_of_a_cell_that_failed(tmp_path, image_folder, capsys, monkeypatch):
    def fit(self, X, y):
        raise MemoryError("no memory left")

    monkeypatch.setattr("sktransfer.estimators.ConvNetClassifier.fit", fit)
    arguments = ["bench", "--dataset", "folder", "--data", str(image_folder)]
    arguments += ["--strategies", "cnn", "--output", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "failed: cnn: MemoryError: no memory left" in capsys.readouterr().out


def test_bench_names_files_that_are_no_images(tmp_path, image_folder, capsys):
    (image_folder / "grass" / "01.png").write_bytes(b"no image")
    arguments = ["bench", "--dataset", "folder", "--data", str(image_folder)]
    assert main([*arguments, "--strategies", "cnn", "--output", str(tmp_path / "out")]) == 2
    assert "01.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategies", "knnn"], "Unknown strategy 'knnn'; did you mean 'knn'"),
        (["--backbone", "vgg166"], "Unknown backbone 'vgg166'; did you mean 'vgg16'"),
        (["--dataset", "cifar"], "Unknown dataset 'cifar'; did you mean 'cifar10'"),
        (["--dataset", "folder"], "needs the path of a folder"),
        (["--dataset", "folder", "--data", "absent"], "no such file or folder"),
        (["--output", f"{__file__}/run"], "cannot write results"),
    ],
)
def test_bench_checks_its_arguments(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = [] if "--strategies" in arguments or "--backbone" in arguments else ["--strategies=cnn"]
    assert main(["bench", *quick, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sktransfer: error: ")
    assert message in error
    assert not any(tmp_path.iterdir())


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "skimage", None)
    arguments = ["bench", "--strategies", "cnn", "--output", str(tmp_path / "out")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("sktransfer: error: load_photo_patches needs")
    assert 'pip install "sktransfer[demo]"' in error


def test_any_command_can_be_interrupted(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("sktransfer.backbones.list_backbones", interrupted)
    assert main(["backbones"]) == 130
    assert capsys.readouterr().err == "sktransfer: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of at least 1, got '0'"),
        (["--train-size", "many"], "--train-size: must be a whole number"),
        (["--validation-fraction", "1"], "--validation-fraction: must be a number between 0 and 1"),
        (["--validation-fraction", "x"], "--validation-fraction: must be a number between 0 and 1"),
        (["--weights-dir", "absent"], "--weights-dir: no such folder: 'absent'"),
        (["--recipe", "worst"], "--recipe: invalid choice: 'worst'"),
    ],
)
def test_options_are_checked_one_by_one(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", *arguments])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_predict_labels_what_it_can_read(finished_run, image_folder, tmp_path, capsys):
    bad, good = tmp_path / "bad.jpg", str(image_folder / "sky" / "02.png")
    bad.write_bytes(b"no image")
    assert main(["predict", str(finished_run), str(bad), good, "--top", "3"]) == 1
    captured = capsys.readouterr()
    rows = [line.split("\t") for line in captured.out.splitlines()]
    assert [row[0] for row in rows] == [good] * 3
    assert rows[0][1] == "sky"
    assert {row[1] for row in rows} == {"bricks", "grass", "sky"}
    assert sum(float(row[2]) for row in rows) == pytest.approx(1, abs=2e-4)
    assert str(bad) in captured.err
    assert main(["predict", str(finished_run / "winner.zip"), good]) == 0


def test_predict_needs_a_winner(tmp_path, capsys):
    assert main(["predict", str(tmp_path), "a.png"]) == 2
    assert "sktransfer: error: no classifier at" in capsys.readouterr().err


def test_report_makes_the_table_anew(finished_run, capsys):
    (finished_run / "results.csv").unlink()
    assert main(["report", str(finished_run)]) == 0
    assert "probe" in capsys.readouterr().out
    assert (finished_run / "results.csv").exists()
    assert main(["report", str(finished_run / "cells")]) == 2


def test_backbones_are_listed(capsys):
    assert main(["backbones"]) == 0
    printed = capsys.readouterr().out
    assert "efficientnet_lite0" in printed
    assert "vgg16" in printed


def test_cache_info_counts_rows_and_bytes(cache, capsys, monkeypatch):
    monkeypatch.setenv("SKTRANSFER_CACHE_BYTES", "1000")
    assert main(["cache", "info", str(cache)]) == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["file"].startswith(str(cache))
    assert (printed["rows"], printed["bytes"], printed["bound"]) == ("2", "24", "1000")


def test_cache_clear_forgets_all_rows(cache):
    assert main(["cache", "clear", str(cache)]) == 0
    assert len(DiskStore(cache)) == 0


def test_cache_verify_tells_and_removes_damage(cache, capsys):
    assert main(["cache", "verify", str(cache)]) == 0
    assert capsys.readouterr().out == "rows: 2 sound, 0 damaged and removed\n"
    spoil(next(cache.glob("*.sqlite")))
    assert main(["cache", "verify", str(cache)]) == 1
    assert capsys.readouterr().out == "rows: 1 sound, 1 damaged and removed\n"
    assert main(["cache", "verify", str(cache)]) == 0
    next(cache.glob("*.sqlite")).write_bytes(b"no database" * 100)
    assert main(["cache", "verify", str(cache)]) == 1
    assert "file is not a database; it is begun anew" in capsys.readouterr().err


def test_cache_travels_as_shards(cache, tmp_path, capsys):
    shard, damaged, other = tmp_path / "a", tmp_path / "b", tmp_path / "other"
    for file in (shard, damaged):
        assert main(["cache", "export", str(cache), str(file)]) == 0
        assert capsys.readouterr().out == f"2 rows written to {file}\n"
    spoil(damaged)
    (tmp_path / "c").write_bytes(b"no shard")
    assert main(["cache", "import", str(other), *map(str, [damaged, tmp_path / "c", shard])]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"{damaged}: rows: 1 sound, 1 damaged",
        f"{shard}: rows: 2 sound, 0 damaged",
    ]
    assert captured.err.startswith(f"sktransfer: {tmp_path / 'c'} is no exported cache")
    assert len(DiskStore(other)) == 2
    assert main(["cache", "import", str(other), str(shard)]) == 0


@pytest.mark.parametrize("action", ["info", "clear", "verify", "export"])
def test_cache_must_be_there(action, tmp_path, capsys):
    shard = [str(tmp_path / "shard")] if action == "export" else []
    assert main(["cache", action, str(tmp_path / "absent"), *shard]) == 2
    assert f"sktransfer: error: no cache in {tmp_path / 'absent'}" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_benchmark_module_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.strategies", "--epochs", "0"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "sktransfer bench: error: argument --epochs" in done.stderr


def test_help_loads_no_tensorflow():
    code = (
        "import sys; from sktransfer.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "bench" in done.stdout


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder with stand-ins for the weights of two networks, and no other place to look in."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("vgg16", "resnet50"):
        (folder / f"{name}_notop.weights.h5").write_bytes(name.encode())
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(folder))
    monkeypatch.setenv("SKTRANSFER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return folder


def test_weights_list_prints_a_table(weights, capsys):
    assert main(["weights", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["vgg16"].endswith(str(weights / "vgg16_notop.weights.h5"))
    assert lines["vgg19"].endswith(" -")


def test_weights_fetch_names_what_it_cannot_have(weights, capsys):
    assert main(["weights", "fetch", "vgg99", "vgg16"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"vgg16\t{weights / 'vgg16_notop.weights.h5'}\n"
    assert captured.err.startswith("sktransfer: Unknown backbone 'vgg99'")


def test_weights_verify_tells_damage(weights, capsys):
    names = ["vgg16", "resnet50"]
    assert main(["weights", "verify", *names]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == names
    (weights / "vgg16_notop.weights.h5").write_bytes(b"damaged")
    assert main(["weights", "verify"]) == 1
    captured = capsys.readouterr()
    assert f"sktransfer: vgg16: {weights / 'vgg16_notop.weights.h5'}" in captured.err
    assert "resnet50\t" in captured.out


def test_weights_travel(weights, tmp_path, monkeypatch, capsys):
    tar, other = tmp_path / "weights.tar", tmp_path / "other"
    assert main(["weights", "export", str(tar), "vgg16", "resnet50"]) == 0
    assert capsys.readouterr().out == f"2 files written to {tar}\n"
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(other))
    assert main(["weights", "import", str(tar)]) == 0
    names = ("vgg16_notop.weights.h5", "resnet50_notop.weights.h5")
    assert capsys.readouterr().out.split() == [str(other / name) for name in names]
    tar.write_bytes(tar.read_bytes().replace(b"vgg16\0", b"vgg61\0"))
    assert main(["weights", "import", str(tar)]) == 2
    assert capsys.readouterr().err.startswith(f"sktransfer: error: {tar}: the SHA-256 of 'vgg16")
    assert (other / names[0]).read_bytes() == b"vgg16"
