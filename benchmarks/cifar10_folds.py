"""Ask of CIFAR-10: features or fine-tuning, which backbone, augmentation or not, and how sure.

    python -m benchmarks.cifar10_folds --data cifar10.zip --weights-dir DIR --run DIR

Two folds, repeated five times (5 x 2 cross-validation), of some training images: eight systems,
each trained ten times on half of the images. The test part of CIFAR-10 is not looked at. A run that
was stopped goes on where it was when it is started again with the same folder, which in the end
holds the whole report, too.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks._settings import image_parser, load_images, source_of
from benchmarks._side_by_side import store

STRATEGIES = ("features", "features+augment", "finetune", "finetune+augment")
BACKBONES = {
    "vgg16": {"input_size": 64, "precision": "bfloat16"},
    "mobilenet": {"input_size": 96},
}
"""What suits images of 32x32 pixels and the time there is, by all strategies alike."""
COLUMNS = (
    "strategy",
    "backbone",
    "test_accuracy",
    "test_low",
    "test_high",
    "f1_macro",
    "log_loss",
    "expected_calibration_error",
    "trainable_params",
    "fit_seconds",
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    images: int = 600
    folds: int = 2
    fold_repeats: int = 5
    epochs: int | None = None
    """Of training; None for those of the recipe."""


QUICK = Sizes(images=40, fold_repeats=1, epochs=1)


def make_sized(strategy: str, backbone: str = "mobilenet", *, recipe: str, **parameters):
    """Make a strategy whose backbone is given images of the size that suits it."""
    from sktransfer import make_strategy

    return make_strategy(strategy, backbone, recipe=recipe, **BACKBONES[backbone], **parameters)


def run(arguments, sizes: Sizes) -> None:
    """Run the cells that are not finished."""
    from sklearn.utils import Bunch

    from sktransfer.evaluation import run_benchmark

    # A fifth is set aside as the test part, which cross-validation has no use for.
    X, y = load_images(arguments.data, sizes.images * 5 // 4, arguments.seed)
    run_benchmark(
        Bunch(X=X, y=y, name=source_of(arguments.data)),
        STRATEGIES,
        BACKBONES,
        output=arguments.run,
        epochs=sizes.epochs,
        cv=sizes.folds,
        n_repeats=sizes.fold_repeats,
        random_state=arguments.seed,
        make_estimator=make_sized,
        save_winner=False,
    )


def main(words: list[str] | None = None) -> None:
    """Run what is not finished, and store the leaderboard and the answers."""
    from sktransfer.evaluation import compare_factors, read_results, summarize_results

    options = image_parser(__doc__, repeats=1)
    options.add_argument("--run", required=True, type=Path, help="folder of the run")
    arguments = options.parse_args(words)
    if arguments.weights_dir is not None:
        os.environ["SKTRANSFER_WEIGHTS"] = str(arguments.weights_dir)
    sizes = QUICK if arguments.quick else Sizes()
    run(arguments, sizes)
    summary = summarize_results(read_results(arguments.run))
    ranked = summary.sort_values("test_accuracy", ascending=False)
    store("cifar10_folds", ranked[list(COLUMNS)].to_dict("records"), arguments, sizes)
    answers = compare_factors(arguments.run)
    answers.to_csv(arguments.output / "cifar10_folds_answers.csv", index=False)
    shutil.copy(
        arguments.run / "figures" / "leaderboard.png", arguments.output / "cifar10_folds.png"
    )


if __name__ == "__main__":
    main()
