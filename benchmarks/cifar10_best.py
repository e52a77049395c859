"""Run our own recipes on CIFAR-10, and put each figure beside the study's.

    python -m benchmarks.cifar10_best --data cifar10.zip --weights-dir DIR --output DIR

40,000 images to train, 10,000 to validate, 10,000 to test, as in the study; the recipe is "best",
with the input size that suits images of 32x32 pixels. What was tuned was tuned on validation
images. A run that was stopped goes on where it was when it is started again with the same output,
and ``--parts`` chooses what is run.

The table is written to ``benchmarks/results/cifar10_best.csv``, beside a header that names machine
and versions, and the learning curves. Rows of other parts that are there already stay.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd

from benchmarks._cifar10_runs import (
    N_VIEWS,
    Part,
    copy_curves,
    parse,
    read_parts,
    run_parts,
    store_table,
)
from benchmarks._side_by_side import RESULTS, in_csv
from benchmarks.cifar10_study import STUDY_TEST_ACCURACY

PRECISION = "bfloat16"

FAST = {"precision": PRECISION, "engine": "openvino"}
"""Of frozen backbones; what it costs in accuracy is measured by ``benchmarks.precision``."""

BFLOAT16 = {"precision": PRECISION}
"""Of networks that train."""


def make_union(strategy: str, *, recipe: str, random_state: int = 0):
    """Make a head on the features of two backbones, the best that fits into 15 minutes."""
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import StandardScaler

    from sktransfer import make_strategy

    def features(backbone: str, size: int):
        frozen = make_strategy("features", backbone, recipe=recipe, input_size=size, **FAST)[0]
        return backbone, frozen

    head = make_strategy("features", recipe=recipe, epochs=15, random_state=random_state)[-1]
    union = FeatureUnion([features("mobilenet", 160), features("efficientnet_lite0", 192)])
    return Pipeline([("features", union), ("scale", StandardScaler()), ("head", head)])


FROZEN_VIEWS = (f"features, {N_VIEWS} views",)
"""Of a head on features, asked for the mean of several views of an image."""

VIEWS = (f"finetune+augment, {N_VIEWS} views",)
"""The same of what was fine-tuned."""

PARTS = (
    Part("union", ("features of two backbones",), (), make=make_union),
    Part("cnn", ("cnn",), ("vgg16",), overrides=BFLOAT16),
    Part("features-vgg16", ("features",), ("vgg16",), overrides={"input_size": 64, **FAST}),
    Part(
        "features-mobilenet", ("features",), ("mobilenet",), overrides={"input_size": 160, **FAST}
    ),
    Part(
        "features-lite0",
        ("features",),
        ("efficientnet_lite0",),
        overrides={"input_size": 192, **FAST},
    ),
    Part("views-vgg16", ("features+augment",), ("vgg16",), overrides={"input_size": 64, **FAST}),
    Part(
        "views-mobilenet",
        ("features+augment",),
        ("mobilenet",),
        overrides={"input_size": 160, **FAST},
    ),
    Part(
        "finetune-mobilenet",
        ("finetune+augment",),
        ("mobilenet",),
        epochs=7,
        # Unlike the held one it bears a high rate, and then needs no head to begin with.
        overrides={
            "input_size": 128,
            "unfreeze": "all",
            "batch_norm": "train",
            "backbone_learning_rate": 1e-3,
            "batch_size": 64,
            **BFLOAT16,
        },
    ),
    Part(
        "finetune-lite0",
        ("finetune+augment",),
        ("efficientnet_lite0",),
        epochs=28,
        overrides={
            "input_size": 96,
            "unfreeze": {0: "head", 20: "all"},
            "batch_size": 64,
            **BFLOAT16,
        },
    ),
    Part(
        "finetune-vgg16",
        ("finetune+augment",),
        ("vgg16",),
        epochs=28,
        overrides={"input_size": 32, "unfreeze": {0: "head", 20: "all"}, **BFLOAT16},
    ),
    Part("views-features-lite0", FROZEN_VIEWS, ("efficientnet_lite0",), asks="features-lite0"),
    Part("views-finetune-vgg16", VIEWS, ("vgg16",), asks="finetune-vgg16"),
    Part("views-finetune-mobilenet", VIEWS, ("mobilenet",), asks="finetune-mobilenet"),
    Part("views-finetune-lite0", VIEWS, ("efficientnet_lite0",), asks="finetune-lite0"),
    Part(
        "cnn+augment",
        ("cnn+augment",),
        ("vgg16",),
        epochs=30,
        overrides={"batch_size": 128, **BFLOAT16},
    ),
)


def described(part: Part, table: pd.DataFrame) -> pd.DataFrame:
    """Put each cell of a part beside the study's figure, its minutes and its command."""
    if part.asks:  # what is asked has no backbone of its own
        (table["backbone"],) = part.backbones
    cells = zip(table["strategy"], table["backbone"], strict=True)
    table["study_test_accuracy"] = [STUDY_TEST_ACCURACY.get(cell) for cell in cells]
    (trained,) = (one for one in PARTS if one.folder == (part.asks or part.folder))
    table["input_size"] = trained.overrides.get("input_size")
    policy = trained.overrides.get("batch_norm", "inference")  # which is of backbones
    table["batch_norm"] = [None if cell.startswith("cnn") else policy for cell in table["strategy"]]
    table["precision"] = PRECISION
    table["minutes"] = (table["fit_seconds"] + table["predict_seconds"]) / 60
    table["command"] = f"python -m benchmarks.cifar10_best --parts {part.folder}"
    return table


def with_stored(table: pd.DataFrame) -> pd.DataFrame:
    """Put the rows of an earlier table in front, but for cells that were run anew."""
    path = RESULTS / "cifar10_best.csv"
    if not path.exists():
        return table
    cell = ["strategy", "backbone"]
    stored, new = as_text(path), as_text(StringIO(in_csv(table)))
    is_new = pd.MultiIndex.from_frame(stored[cell]).isin(pd.MultiIndex.from_frame(new[cell]))
    return pd.concat([stored[~is_new], new[stored.columns]], ignore_index=True)


def as_text(source: Path | StringIO) -> pd.DataFrame:
    """Read a table whose values are to be written as they are."""
    return pd.read_csv(source, dtype=str, keep_default_na=False)


def collect(output: Path, note: str) -> pd.DataFrame:
    """Store the table of all parts that were run, and their learning curves."""
    parts, table = read_parts(PARTS, output, described)
    table = with_stored(table)
    pictures = store_table("cifar10_best", table, note)
    for part in parts:
        if not part.asks:  # its curves are those of the part that it asks
            copy_curves(part, output, pictures)
    return table


def main() -> None:
    """Run what is not finished, and collect all of it."""
    arguments = parse(__doc__, PARTS)
    run_parts(PARTS, arguments, recipe="best")
    print(collect(arguments.output, arguments.note).to_string())


if __name__ == "__main__":
    main()
