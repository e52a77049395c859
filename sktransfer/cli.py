"""The command ``sktransfer``: what can be asked for on the command line, and nothing more."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

__all__ = ["main"]

INTERRUPTED = 130  # the shells' exit code for Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments behind the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0; 1 if a cell of a benchmark failed or an image could not be read; 2 for wrong
        arguments; 130 if it was interrupted.

    Examples
    --------
    >>> from sktransfer.cli import main
    >>> main(["predict", "no-such-run", "cat.jpg"])
    2
    """
    # TensorFlow's notes on the processor would stand between the lines of a table.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"sktransfer: error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="sktransfer", description="Transfer learning on images, compared and put to use."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_bench(commands)
    _add_report(commands)
    _add_predict(commands)
    _add_backbones(commands)
    return parser


def _add_bench(commands) -> None:
    """Describe ``sktransfer bench``."""
    parser = commands.add_parser(
        "bench",
        help="train and score strategies side by side, and save the best",
        description=(
            "Train and score strategies side by side, and save the best. Without arguments: all "
            "strategies with EfficientNet-Lite0 on patches of photographs, without any download. "
            "Writes a table, pictures, the networks' layers and summaries, and the winner, fitted "
            "on training and validation data, for `sktransfer predict`."
        ),
    )
    parser.set_defaults(run=_bench)
    parser.add_argument(
        "--dataset",
        default="photo-patches",
        metavar="NAME",
        help="photo-patches (the default), cifar10, or folder: a folder for each class",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="the folder of --dataset folder; of cifar10 a zip or folder (default: downloaded)",
    )
    parser.add_argument(
        "--weights-dir",
        type=_folder,
        metavar="PATH",
        help="folder with files of pretrained weights (default: $SKTRANSFER_WEIGHTS)",
    )
    parser.add_argument(
        "--strategies", nargs="+", metavar="NAME", help="strategies to run (default: all)"
    )
    parser.add_argument(
        "--backbone",
        nargs="+",
        default=["efficientnet_lite0"],
        metavar="NAME",
        help="one or more backbones (default: efficientnet_lite0); see `sktransfer backbones`",
    )
    parser.add_argument(
        "--recipe",
        choices=("best", "study"),
        default="best",
        help="hyperparameters: best (the default), or study: as in the CIFAR-10 study",
    )
    parser.add_argument(
        "--epochs", type=_positive, metavar="N", help="epochs of training (default: the recipe's)"
    )
    parser.add_argument(
        "--train-size",
        type=_positive,
        metavar="N",
        help="training images to use, validation images among them (default: all)",
    )
    parser.add_argument(
        "--test-size", type=_positive, metavar="N", help="test images to use (default: all)"
    )
    parser.add_argument(
        "--validation-fraction",
        type=_fraction,
        default=0.2,
        metavar="F",
        help="fraction of the training images kept for validation (default: 0.2)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of splits and training (default: 0)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the results (default: a new one in sktransfer-results/); if it has an "
        "unfinished run with the same settings, that run goes on",
    )


def _bench(options: argparse.Namespace) -> int:
    """Run a benchmark, and print its table and where the rest is."""
    from sktransfer.evaluation import format_results, run_benchmark

    if options.weights_dir is not None:
        os.environ["SKTRANSFER_WEIGHTS"] = str(options.weights_dir)
    output = options.output or Path("sktransfer-results") / f"{datetime.now():%Y%m%d-%H%M%S}"
    try:
        table = run_benchmark(
            options.dataset,
            options.strategies,
            options.backbone,
            output=output,
            data=options.data,
            recipe=options.recipe,
            epochs=options.epochs,
            train_size=options.train_size,
            test_size=options.test_size,
            validation_fraction=options.validation_fraction,
            random_state=options.seed,
        )
    except KeyboardInterrupt:
        print(f"sktransfer: interrupted; with --output {output} it goes on", file=sys.stderr)
        return INTERRUPTED
    print(f"{format_results(table)}\n\nTable, pictures and winner: {output}")
    return int((table["error"] != "").any())


def _add_report(commands) -> None:
    """Describe ``sktransfer report``."""
    parser = commands.add_parser(
        "report",
        help="make the table and pictures of a benchmark, finished or not",
        description="Make the table and pictures of a benchmark, as far as it has come.",
    )
    parser.set_defaults(run=_report)
    parser.add_argument("output", type=Path, metavar="DIR", help="the folder of the benchmark")


def _report(options: argparse.Namespace) -> int:
    """Write the report of a run and print its table."""
    from sktransfer.evaluation import format_results, write_report

    print(format_results(write_report(options.output)))
    return 0


def _add_predict(commands) -> None:
    """Describe ``sktransfer predict``."""
    parser = commands.add_parser(
        "predict",
        help="label images with the winner of a benchmark",
        description=(
            "Label images with the winner of a benchmark. Prints file, label and probability, "
            "with tabs between them."
        ),
    )
    parser.set_defaults(run=_predict)
    parser.add_argument(
        "winner",
        type=Path,
        metavar="WINNER",
        help="winner.joblib of a benchmark, or its folder; it is a pickle: trust its origin",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="image files, of any size")
    parser.add_argument(
        "--top",
        type=_positive,
        default=1,
        metavar="K",
        help="labels for each image, the most probable first (default: 1)",
    )


def _predict(options: argparse.Namespace) -> int:
    """Label images; those that cannot be read are named, and the others labelled."""
    from sktransfer.evaluation import label_images

    labels, errors = label_images(options.winner, options.files, options.top)
    for row in labels.itertuples():
        print(f"{row.file}\t{row.label}\t{row.probability:.4f}")
    for file, message in errors.items():
        print(f"sktransfer: {file}: {message}", file=sys.stderr)
    return int(bool(errors))


def _add_backbones(commands) -> None:
    """Describe ``sktransfer backbones``."""
    parser = commands.add_parser(
        "backbones",
        help="list the pretrained networks",
        description="List the pretrained networks that strategies can be built on.",
    )
    parser.set_defaults(run=_backbones)


def _backbones(options: argparse.Namespace) -> int:
    """Print the table of backbones."""
    from sktransfer.backbones import list_backbones

    print(list_backbones().to_string())
    return 0


def _positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _fraction(text: str) -> float:
    """Read a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, got {text!r}")
    return value


def _folder(text: str) -> Path:
    """Read the path of a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {text!r}")
    return path


if __name__ == "__main__":
    sys.exit(main())
