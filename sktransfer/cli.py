"""The command ``sktransfer``: what can be asked for on the command line, and nothing more."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

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
        Exit code: 0; 1 if a cell of a benchmark failed, an image could not be read, a cache or an
        exported one was damaged, or weights were damaged or not fetched; 2 for wrong arguments, or
        a package that is needed for them and not installed; 130 if it was interrupted.

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
    except (ValueError, OSError, ImportError) as error:  # the last of a package that is left out
        print(f"sktransfer: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sktransfer: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="sktransfer", description="Transfer learning on images, compared and put to use."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_bench(commands)
    _add_resume(commands)
    _add_report(commands)
    _add_predict(commands)
    _add_backbones(commands)
    _add_weights(commands)
    _add_cache(commands)
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
        nargs="+",
        type=_positive,
        metavar="N",
        help="training images to use, validation images among them (default: all); several "
        "numbers show what more images bring",
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
        "--cv",
        type=_positive,
        metavar="K",
        help="cross-validate in K folds of the training images; the test images are left alone",
    )
    parser.add_argument(
        "--repeats",
        type=_positive,
        default=1,
        metavar="N",
        help="do all of it N times, with other splits and seeds (default: 1)",
    )
    parser.add_argument(
        "--time-limit", type=_positive, metavar="S", help="seconds that a cell may take"
    )
    parser.add_argument(
        "--memory-limit", type=_positive, metavar="MIB", help="mebibytes that a cell may take"
    )
    _add_jobs(parser)
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


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    """Describe how many cells run at a time."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="cells that run at a time (default: 1; -1 for one a core)",
    )


def _bench(options: argparse.Namespace) -> int:
    """Run a benchmark, and print its table and where the rest is."""
    from sktransfer.evaluation import run_benchmark

    if options.weights_dir is not None:
        os.environ["SKTRANSFER_WEIGHTS"] = str(options.weights_dir)
    output = options.output or Path("sktransfer-results") / f"{datetime.now():%Y%m%d-%H%M%S}"
    return _finished(
        output,
        lambda: run_benchmark(
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
            cv=options.cv,
            n_repeats=options.repeats,
            random_state=options.seed,
            n_jobs=options.jobs,
            time_limit=options.time_limit,
            memory_limit=options.memory_limit,
        ),
    )


def _finished(output: Path, run: Callable[[], pd.DataFrame]) -> int:
    """Run a benchmark, and print its table, or how it goes on."""
    from sktransfer.evaluation import format_results

    try:
        table = run()
    except KeyboardInterrupt:
        print(f"sktransfer: interrupted; `sktransfer resume {output}` goes on", file=sys.stderr)
        return INTERRUPTED
    print(f"{format_results(table)}\n\nReport, table, pictures and winner: {output}")
    return int((table["error"] != "").any())


def _add_resume(commands) -> None:
    """Describe ``sktransfer resume``."""
    parser = commands.add_parser(
        "resume",
        help="go on with a benchmark that was stopped",
        description="Go on with a benchmark that was stopped, with the settings it was begun with.",
    )
    parser.set_defaults(run=_resume)
    parser.add_argument("output", type=Path, metavar="DIR", help="the folder of the benchmark")
    _add_jobs(parser)


def _resume(options: argparse.Namespace) -> int:
    """Run what is left of a benchmark."""
    from sktransfer.evaluation import resume_benchmark

    try:
        return _finished(
            options.output, lambda: resume_benchmark(options.output, n_jobs=options.jobs)
        )
    except TypeError as error:  # it was begun in Python, with objects that no command has
        raise ValueError(str(error)) from None


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
        help="folder of a benchmark, or its winner.zip beside winner.json; no code of it is run",
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


def _add_group(commands, name: str, text: str, more: str):
    """Describe a command that has actions, and return what they are added to."""
    parser = commands.add_parser(name, help=text, description=f"{_sentence(text)} {more}")
    return parser.add_subparsers(title="actions", required=True, metavar="ACTION")


def _add_action(actions, name: str, run, text: str) -> argparse.ArgumentParser:
    """Describe one action of a command."""
    parser = actions.add_parser(name, help=text, description=_sentence(text))
    parser.set_defaults(run=run)
    return parser


def _sentence(text: str) -> str:
    """Write a short help as a sentence; capitals further on stay, unlike with str.capitalize."""
    return f"{text[0].upper()}{text[1:]}."


def _add_weights(commands) -> None:
    """Describe ``sktransfer weights``."""
    actions = _add_group(
        commands,
        "weights",
        "list, fetch, check and carry files of pretrained weights",
        "To a machine without a network they travel as an exported file or folder.",
    )
    _add_action(actions, "list", _weights_list, "list the files and where they are")
    fetch = _add_action(actions, "fetch", _weights_fetch, "download what is not on this machine")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="backbones")
    verify = _add_action(
        actions, "verify", _weights_verify, "hash files anew, and compare with what they must be"
    )
    _add_weights_names(verify)
    export = _add_action(
        actions, "export", _weights_export, "write files into one, for another machine"
    )
    export.add_argument(
        "target",
        type=Path,
        metavar="TARGET",
        help="a file that ends in .tar, which is replaced, or else a new folder",
    )
    _add_weights_names(export)
    take_in = _add_action(
        actions, "import", _weights_import, "take in what `export` wrote on another machine"
    )
    take_in.add_argument("path", type=Path, metavar="PATH", help="the file or folder")


def _add_weights_names(parser: argparse.ArgumentParser) -> None:
    """Describe the choice of backbones."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="backbones (default: all on this machine)"
    )


def _weights_list(options: argparse.Namespace) -> int:
    """Print the table of files."""
    from sktransfer.backbones import list_weights

    print(list_weights().drop(columns="source").fillna({"path": "-"}).to_string())
    return 0


def _weights_fetch(options: argparse.Namespace) -> int:
    """Fetch weights; those that cannot be had are named, and the others fetched."""
    from sktransfer.backbones import fetch_weights

    exit_code = 0
    for name in options.names:
        try:
            print(f"{name}\t{fetch_weights(name)}")
        except (ValueError, OSError) as error:
            print(f"sktransfer: {error}", file=sys.stderr)
            exit_code = 1
    return exit_code


def _weights_verify(options: argparse.Namespace) -> int:
    """Print the hashes of files that are right, and what is wrong with the others."""
    from sktransfer.backbones import verify_weights

    table = verify_weights(options.names or None)
    for name, row in table.iterrows():
        if row["fault"]:
            print(f"sktransfer: {name}: {row['fault']}", file=sys.stderr)
        else:
            print(f"{name}\t{row['path']}\t{row['sha256']}")
    return int((table["fault"] != "").any())


def _weights_export(options: argparse.Namespace) -> int:
    """Write files of weights for another machine."""
    from sktransfer.backbones import export_weights

    files = export_weights(options.target, options.names or None)
    print(f"{len(files)} files written to {options.target}")
    return 0


def _weights_import(options: argparse.Namespace) -> int:
    """Take in files of weights, all or none."""
    from sktransfer.backbones import import_weights

    for file in import_weights(options.path):
        print(file)
    return 0


def _add_cache(commands) -> None:
    """Describe ``sktransfer cache``."""
    actions = _add_group(
        commands,
        "cache",
        "look at, clear, check and carry features that are kept on disk",
        "Between machines they travel as exported files; a cache itself belongs on a local disk.",
    )
    _add_cache_action(actions, "info", _cache_info, "count rows and bytes")
    _add_cache_action(actions, "clear", _cache_clear, "forget all rows")
    _add_cache_action(
        actions, "verify", _cache_verify, "check every row and the file, and remove what is damaged"
    )
    export = _add_cache_action(actions, "export", _cache_export, "write all rows into one file")
    export.add_argument("shard", type=Path, metavar="SHARD", help="the file; it is replaced")
    take_in = _add_cache_action(
        actions, "import", _cache_import, "add the rows of exported files; trust their origin"
    )
    take_in.add_argument(
        "shards", nargs="+", type=Path, metavar="SHARD", help="files made by `export`"
    )


def _add_cache_action(actions, name: str, run, text: str) -> argparse.ArgumentParser:
    """Describe one action of ``sktransfer cache``."""
    parser = _add_action(actions, name, run, text)
    parser.add_argument("path", type=Path, metavar="PATH", help="the folder of the cache")
    return parser


def _cache_info(options: argparse.Namespace) -> int:
    """Print what is in a cache."""
    from sktransfer.cache import cache_info

    info = cache_info(options.path)
    print(f"file   {info.file}")
    print(f"rows   {info.n_rows}")
    print(f"bytes  {info.n_bytes}")
    print(f"bound  {info.max_bytes}")
    return 0


def _cache_clear(options: argparse.Namespace) -> int:
    """Empty a cache."""
    from sktransfer.cache import clear_cache

    clear_cache(options.path)
    return 0


def _cache_verify(options: argparse.Namespace) -> int:
    """Check a cache, and print what was found."""
    from sktransfer.cache import verify_cache

    checked = verify_cache(options.path)
    print(f"rows: {checked.n_sound} sound, {checked.n_damaged} damaged and removed")
    if checked.fault is not None:
        print(f"sktransfer: the file was damaged: {checked.fault}", file=sys.stderr)
    return int(checked.n_damaged > 0 or checked.fault is not None)


def _cache_export(options: argparse.Namespace) -> int:
    """Write a cache into one file."""
    from sktransfer.cache import export_cache

    print(f"{export_cache(options.path, options.shard)} rows written to {options.shard}")
    return 0


def _cache_import(options: argparse.Namespace) -> int:
    """Add exported files; those that cannot be read are named, and the others added."""
    from sktransfer.cache import import_shard

    exit_code = 0
    for shard in options.shards:
        try:
            checked = import_shard(options.path, shard)
        except (ValueError, OSError) as error:
            print(f"sktransfer: {error}", file=sys.stderr)
            exit_code = 1
            continue
        print(f"{shard}: rows: {checked.n_sound} sound, {checked.n_damaged} damaged")
        exit_code |= int(checked.n_damaged > 0)
    return exit_code


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
