"""Whether the tests notice when the code is changed: `python -m tests.mutation [MODULE ...]`.

All mutants of the modules of `TESTS` are tried, and a sample of those of `ELSEWHERE`.

Each mutant is a module with one small change: another comparison, a constant beside the right one,
a condition left out, a statement removed. A fork of a process that has imported everything else
runs the module's own tests with it, the fastest first, until one fails. No file is written over.

Outcomes are appended to a log as they come, so that a run that was interrupted goes on where it
was; `--again` tries those that survived once more. Survivors that cannot or need not be told from
the original are in ``mutation_equivalents.json``, with the reason.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import hashlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Threads of BLAS would not be there in a fork.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

import hypothesis
import pytest

from tests._counters import record
from tests._mutants import ROOT, Mutant, mutants_of, put_in_place

LOG = ROOT / ".mutation.jsonl"
EQUIVALENTS = Path(__file__).with_name("mutation_equivalents.json")
TORCH_READER = [
    "tests/backbones/test_restricted_pickle.py",
    "tests/backbones/test_torch_reader_attacks.py",
]
ON_DISK = [
    *("tests/cache/test_disk_store.py", "tests/cache/test_stores.py", "tests/cache/test_chaos.py"),
    # Those of chaos in other processes take minutes.
    *("-k", "not test_chaos or removed or silence or clock or header or two_stores"),
]
PERSISTENCE = ["tests/persistence/test_values.py", "tests/persistence/test_hostile_members.py"]
OBJECTS = ["tests/persistence/test_objects.py", *PERSISTENCE]
TESTS = {
    "sktransfer/evaluation/_statistics.py": ["tests/evaluation/test_statistics.py"],
    "sktransfer/evaluation/_metrics.py": ["tests/evaluation/test_metrics.py"],
    "sktransfer/evaluation/_calibration.py": ["tests/evaluation/test_calibration.py"],
    "sktransfer/backbones/_restricted_pickle.py": TORCH_READER,
    "sktransfer/backbones/_torch_reader.py": TORCH_READER,
    "sktransfer/cache/_database.py": ON_DISK,
    "sktransfer/cache/_disk_store.py": ON_DISK,
    "sktransfer/cache/_entries.py": ["tests/cache/test_disk_store.py"],
    "sktransfer/cache/_feature_store.py": [
        *("tests/cache/test_row_keys.py", "tests/cache/test_stores.py", "-k", "not disk"),
    ],
    "sktransfer/cache/_maintenance.py": ["tests/cache/test_disk_store.py"],
    "sktransfer/cache/_stores.py": ["tests/cache/test_stores.py"],
    "sktransfer/persistence/_allowed.py": PERSISTENCE,
    "sktransfer/persistence/_archive.py": PERSISTENCE,
    "sktransfer/persistence/_arrays.py": PERSISTENCE,
    "sktransfer/persistence/_kinds.py": OBJECTS,
    "sktransfer/persistence/_neighbours.py": OBJECTS,
    "sktransfer/persistence/_values.py": PERSISTENCE,
}
"""Test files of each module, as arguments of pytest: those that need no TensorFlow."""

BY_TESTS = {
    "evaluation/test_verdicts": [
        *("evaluation/verdicts/_contrasts", "evaluation/verdicts/_evidence"),
        *("evaluation/verdicts/_image_statistics", "evaluation/verdicts/_predictions"),
        *("evaluation/verdicts/_verdicts", "evaluation/verdicts/_wording"),
    ],
    "evaluation/test_record": ["evaluation/_record"],
    "images/test_wild_images": ["images/_decode", "images/_integrity", "images/_problems"],
    "images/test_draws": ["images/_draws"],
    "images/test_mixing": ["images/_mixing"],
    "images/test_photometry": ["images/_photometry"],
    "images/test_rectangles": ["images/_rectangles"],
    "selection/test_h_score": ["selection/_h_score"],
    "selection/test_label_scores": ["selection/_label_scores"],
    "selection/test_log_me": ["selection/_log_me"],
    "selection/test_spectrum": ["selection/_spectrum"],
    "backbones/test_weights_transport backbones/test_weights_download": [
        *("backbones/_weights_transport", "backbones/_weights_download"),
        "backbones/_weights_files",
    ],
}
ELSEWHERE = {
    f"sktransfer/{module}.py": [f"tests/{name}.py" for name in tests.split()]
    for tests, modules in BY_TESTS.items()
    for module in modules
}
"""The same of modules a sample of whose mutants is tried."""

TESTS_OF = TESTS | ELSEWHERE
SAMPLE = 100

OPTIONS = [
    *("-x", "-q", "--tb=no", "-p", "_hypothesis_pytestplugin", "--hypothesis-profile=mutation"),
    # Both are slow, the latter since it collects garbage again and again.
    *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
]
MOST_BYTES = 6 << 30  # of a mutant's memory, should a bound be what it has lost
MOST_SECONDS = 120  # of a mutant that waits for ever; one that computes is stopped earlier


class Order:
    """A plugin of pytest that runs fast tests first, and notes their times and which fails."""

    def __init__(self, seconds: dict[str, float], killer: Path) -> None:
        self.seconds = seconds
        self.killer = killer

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.seconds.get(report.nodeid, 0.0)
        self.seconds[report.nodeid] = before + report.duration
        if report.failed:
            self.killer.write_text(report.nodeid, encoding="utf-8")


def run_tests(tests: list[str], folder: Path, *plugins: object) -> int:
    """Run tests in this process until one fails."""
    return int(pytest.main([*OPTIONS, f"--basetemp={folder / 'tests'}", *tests], list(plugins)))


def in_fork(act: Any, seconds: float) -> int:
    """Return the exit status of `act()` in a fork, negative where a signal has ended it."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        signal.alarm(MOST_SECONDS)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        try:
            os._exit(act())
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests have started and not ended
    return os.waitstatus_to_exitcode(status)


def prepare(module: str, tree: ast.Module, folder: Path) -> dict[str, float]:
    """Import what the tests need but for the library; return the seconds that each takes."""
    hypothesis.settings.register_profile(
        "mutation",
        database=None,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        assert run_tests(["--collect-only", *TESTS_OF[module]], folder) == pytest.ExitCode.OK
    for name in [name for name in sys.modules if name.split(".")[0] in ("sktransfer", "tests")]:
        del sys.modules[name]
    assert "tensorflow" not in sys.modules, "TensorFlow hangs in a fork"
    gc.freeze()
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder / "compiled")
    noted = folder / "seconds.json"

    def measure() -> int:
        put_in_place(module, tree, folder)
        order = Order({}, folder / "killer")
        status = run_tests(TESTS_OF[module], folder, order)
        noted.write_text(json.dumps(order.seconds))
        return status

    if in_fork(measure, seconds=600) != 0:
        raise SystemExit(f"{TESTS_OF[module]} fail without any change")
    return json.loads(noted.read_text())


def outcome_of(
    mutant: Mutant, module: str, tree: ast.Module, folder: Path, seconds: dict[str, float]
) -> str:
    """Run the tests with a mutant; let what kills it come earlier from then on."""
    killer = folder / "killer"
    killer.unlink(missing_ok=True)

    def act() -> int:
        mutant.apply()
        put_in_place(module, tree, folder)
        return run_tests(TESTS_OF[module], folder, Order(dict(seconds), killer))

    status = in_fork(act, seconds=30 + sum(seconds.values()))
    if killer.exists():
        test = killer.read_text(encoding="utf-8")
        seconds[test] = 0.5 * seconds.get(test, 0.0)
    if status in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM):
        return "out of time"
    return "survived" if status == 0 else "killed"


def examine(module: str, names: set[str] | None, again: bool) -> dict[str, int]:
    """Try the mutants of a module that have not been tried, and count what became of all."""
    tree, digest = parsed(module)
    mutants = [one for one in mutants_of(tree) if names is None or one.name in names]
    outcomes = read_log(module, digest)
    known = json.loads(EQUIVALENTS.read_text(encoding="utf-8")).get(module, {})
    doubtful = {name for name, outcome in outcomes.items() if outcome != "killed"} - set(known)
    done = set(outcomes) - doubtful if again else set(outcomes)
    left = [mutant for mutant in mutants if mutant.name not in done]
    for mutant, outcome in tried(module, tree, left):
        outcomes[mutant.name] = outcome
        entry = {"module": module, "source": digest, "mutant": mutant.name, "outcome": outcome}
        with LOG.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
    tried_now = {mutant.name for mutant in mutants}
    survived = {name for name in tried_now if outcomes[name] == "survived"}
    judged = set(known) if names is None else set(known) & tried_now
    for stale in sorted(judged - survived):
        print(f"no survivor, though judged to be equivalent: {stale}")
    return {
        "mutants": len(tried_now),
        "killed": sum(outcomes[name] == "killed" for name in tried_now),
        "out_of_time": sum(outcomes[name] == "out of time" for name in tried_now),
        "equivalent": len(survived & set(known)),
        "survived": len(survived - set(known)),
    }


def parsed(module: str) -> tuple[ast.Module, str]:
    """Return the syntax tree of a module, and a digest of its source."""
    source = (ROOT / module).read_bytes()
    return ast.parse(source), hashlib.sha256(source).hexdigest()[:12]


def drawn_elsewhere(seed: int) -> dict[str, set[str]]:
    """Draw the names of mutants of `ELSEWHERE`, each as likely as any other."""
    everyone = [
        (module, mutant.name) for module in ELSEWHERE for mutant in mutants_of(parsed(module)[0])
    ]
    drawn: dict[str, set[str]] = {}
    for module, name in random.Random(seed).sample(everyone, SAMPLE):
        drawn.setdefault(module, set()).add(name)
    return drawn


def tried(module: str, tree: ast.Module, mutants: list[Mutant]) -> Iterator[tuple[Mutant, str]]:
    """Run the tests with each of the mutants."""
    if not mutants:
        return
    with tempfile.TemporaryDirectory() as name:
        seconds = prepare(module, tree, Path(name))
        for number, mutant in enumerate(mutants, 1):
            outcome = outcome_of(mutant, module, tree, Path(name), seconds)
            print(f"{number}/{len(mutants)} {outcome}: {mutant.name}", flush=True)
            yield mutant, outcome


def read_log(module: str, digest: str) -> dict[str, str]:
    """Return what became of the mutants of this very source."""
    lines = LOG.read_text(encoding="utf-8").splitlines() if LOG.exists() else []
    entries = [json.loads(line) for line in lines]
    return {
        entry["mutant"]: entry["outcome"]
        for entry in entries
        if (entry["module"], entry["source"]) == (module, digest)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Try mutants of modules.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as cache/_entries")
    parser.add_argument("--again", action="store_true", help="try survivors once more")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    options = parser.parse_args()
    chosen = [f"sktransfer/{name.removesuffix('.py')}.py" for name in options.modules] or TESTS
    figures = {}
    for module in chosen:
        figures[module] = examine(module, None, options.again)
        print(module, figures[module], flush=True)
    if options.modules:
        return
    sample: Counter[str] = Counter()
    for module, names in drawn_elsewhere(options.seed).items():
        sample.update(examine(module, names, options.again))
        print(module, dict(sample), flush=True)
    record("mutation", **figures, **{f"a sample elsewhere, seed {options.seed}": dict(sample)})


if __name__ == "__main__":
    main()
