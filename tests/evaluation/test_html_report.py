from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sktransfer.evaluation import compare_systems, summarize_results, write_report
from sktransfer.evaluation._record import Cell, Record
from sktransfer.evaluation._results import read_results
from sktransfer.evaluation._splits import Pools
from sktransfer.evaluation.report._blocks import Code, Document, Paragraph, Section, Table
from sktransfer.evaluation.report._document import compose_report
from sktransfer.evaluation.report._html import write_html
from sktransfer.evaluation.report._leaders import leading_systems, scored_systems
from sktransfer.evaluation.report._markdown import write_markdown
from sktransfer.evaluation.report._mistakes import save_mistakes

SYSTEMS = {("features", "vgg16"): 0.95, ("knn", "vgg16"): 0.75, ("cnn", ""): 0.5}
SCRIPT = "<script>alert('cat')</script>"
HEADER = {
    "settings": {
        "datasets": [
            {"name": "pets", "hash": "abc", "classes": ["cat"], "images": 400, "test_images": 60}
        ],
        "recipe": "best",
        "epochs": None,
        "validation_fraction": 0.2,
        "cv": None,
        "seed": 7,
    },
    "arguments": {"strategies": ["features", "knn", "cnn"], "n_repeats": 1, "given": ["groups"]},
    "plan": {"systems": ["features-vgg16", "knn-vgg16", "cnn"], "places": [["pets", 0, 0, 0]]},
    "machine": {"processor": "a processor", "cores": 2, "memory_gib": 4.0, "system": "Linux"},
    "versions": {"python": "3.11.7", "numpy": "2.0.0"},
    "command": "sktransfer bench --output run",
    "date": "2026-01-01T00:00:00+00:00",
}


class Page(HTMLParser):
    """What is in a page: its elements, its headings, its text; checks that all is closed."""

    VOID = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.elements, self.headings, self.words, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def tags(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def page_of(record):
    document = compose_report(record)
    write_markdown(record, document)
    return Page(write_html(record, document).read_text("utf-8"))


def markdown_of(record):
    return (record.folder / "report.md").read_text("utf-8")


def test_report_needs_no_other_file(make_run):
    record = make_run(SYSTEMS, header=HEADER)
    page = page_of(record)
    for _, attributes in page.elements:
        assert not re.match(r"(https?:)?//", attributes.get("src", ""))
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "iframe", "object"})
    style = re.search(r"<style>(.*?)</style>", (record.folder / "report.html").read_text(), re.S)
    assert "url(" not in style[1] and "@import" not in style[1]
    images = page.tags("img")
    assert images
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", one["src"]) for one in images)
    assert all(one["alt"] for one in images)
    policy = next(one for one in page.tags("meta") if "http-equiv" in one)
    assert policy["content"].startswith("default-src 'none'")


def test_newcomer_reads_the_sections_in_order(make_run):
    page = page_of(make_run(SYSTEMS, header=HEADER))
    assert page.headings == [
        "What was compared",
        "Verdict",
        "Leaderboard",
        "Accuracy against cost",
        "Which one is better",
        "Learning curves",
        "What is mistaken for what",
        "Layers",
        "How to repeat it",
    ]
    links = [attributes["href"] for attributes in page.tags("a")]
    assert links == [f"#{attributes['id']}" for attributes in page.tags("section")]


def test_words_have_the_numbers_of_the_statistics(make_run):
    record = make_run(SYSTEMS, header=HEADER)
    text = page_of(record).text
    best = summarize_results(read_results(record.folder)).iloc[0]
    assert (
        f"features-vgg16 has the highest test accuracy on pets: {best['test_accuracy']:.1f} % "
        f"(95 % interval {best['test_low']:.1f} to {best['test_high']:.1f})."
    ) in text
    comparisons = compare_systems(record.folder)
    assert comparisons["level"].tolist() == ["surely better"] * 3
    for sentence in comparisons.loc[comparisons["first"] == "features-vgg16", "sentence"]:
        assert sentence in text
        assert sentence in markdown_of(record)
    assert "It is surely better than knn-vgg16 and cnn." in text
    for fact in ("a processor, 2 cores, 4 GiB of memory", "sktransfer bench --output run"):
        assert fact in text
        assert fact in markdown_of(record)
    for fact in ("Seed: 7.", "numpy 2.0.0", "no command has: groups.", "pets abc"):
        assert fact in text


def test_both_formats_have_the_same_words(make_run):
    record = make_run(SYSTEMS, header=HEADER)
    plain = page_of(record).text
    syntax = r"!\[.*?\]\(.*?\)|<[^>]*>|^#+ |^- |^```text$|[|\\`]|(?<=\s)-{3}:?"
    written = unescape(re.sub(syntax, "", markdown_of(record), flags=re.M))
    for name, words in (("page", plain.split()), ("Markdown", written.split())):
        assert len(words) > 300, name
    assert set(written.split()) - set(plain.split()) == set()
    assert set(plain.split()) - set(written.split()) == set()


def test_names_and_messages_are_escaped(make_run, add_failure):
    record = make_run(
        {(SCRIPT, ""): 0.7, ("knn", SCRIPT): 0.9},
        classes=["*cat*", SCRIPT, "dog|`owl`"],
        datasets=[SCRIPT],
        header={**HEADER, "command": SCRIPT},
    )
    add_failure(record, Cell(SCRIPT, "cnn"), error=f"ValueError: {SCRIPT}")
    page = page_of(record)
    assert {tag for tag, _ in page.elements}.isdisjoint({"script"})
    assert page.text.count(SCRIPT) > 5
    text = re.sub(r"^(`{3,})text$.*?^\1$", "", markdown_of(record), flags=re.M | re.S)
    assert "<script" not in text
    assert r"dog\|\`owl\`" in text
    assert r"\*cat\*" in text
    rows = [line for line in text.splitlines() if line.startswith("| dog")]
    assert all(len(re.split(r"(?<!\\)\|", row)) == 5 for row in rows)


def test_names_that_are_no_file_names_have_files_of_their_own(make_run):
    record = make_run({("own/net", ""): 0.9, ("own_net", ""): 0.6})
    write_report(record.folder)
    assert len(list((record.folder / "layers").iterdir())) == 2
    assert len(list((record.folder / "figures").glob("learning-*.svg"))) == 2


def test_markdown_code_cannot_be_left(tmp_path):
    document = Document("t", [], [Section("s", [Code("```\n# no heading\n````")])])
    written = write_markdown(Record(tmp_path), document).read_text()
    assert written.splitlines()[4] == "`````text"
    assert written.splitlines()[-1] == "`````"


def test_blocks_are_written(tmp_path):
    blocks = [Paragraph("a < b"), Table(["name", "n"], [["a_b", "1"]], frozenset({"n"}))]
    document = Document("A & B", [], [Section("s", blocks)])
    page = write_html(Record(tmp_path), document).read_text()
    assert "<title>A &amp; B</title>" in page
    assert "<p>a &lt; b</p>" in page
    assert '<tr><td>a_b</td><td class="number">1</td></tr>' in page
    written = write_markdown(Record(tmp_path), document).read_text()
    assert "| name | n |\n| --- | ---: |\n| a_b | 1 |" in written
    assert "a &lt; b" in written


def test_charts_are_files_too(make_run):
    record = make_run(SYSTEMS)
    page_of(record)
    figures = record.folder / "figures"
    names = {path.stem for path in figures.iterdir()}
    assert names == {
        "leaderboard",
        "cost-training",
        "cost-prediction",
        "learning-features-vgg16",
        "learning-cnn",
        "confusion-1",
        "confusion-2",
        "calibration-1",
        "calibration-2",
    }
    for name in names:
        with Image.open(figures / f"{name}.png") as picture:
            assert min(picture.size) > 50
        ElementTree.parse(figures / f"{name}.svg")
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", markdown_of(record))
    assert sorted(shown) == sorted(f"figures/{name}.png" for name in names)


def test_charts_are_the_same_each_time(make_run):
    record = make_run({("knn", ""): 0.8, ("cnn", ""): 0.6})
    texts = []
    for _ in range(2):
        page_of(record)
        texts.append((record.folder / "report.html").read_text())
    assert texts[0] == texts[1]


def test_a_run_of_one_cell(make_run):
    page = page_of(make_run({("knn", "vgg16"): 0.8}))
    assert "knn-vgg16 has the highest test accuracy" in page.text
    assert page.headings == [
        "What was compared",
        "Verdict",
        "Leaderboard",
        "What is mistaken for what",
        "Layers",
    ]


def test_a_run_without_a_mistake(make_run):
    page = page_of(make_run({("knn", ""): 1.0}))
    assert "knn mistakes 0 of 60 test images." in page.text
    assert "class taken for images" not in page.text


def test_a_run_where_all_failed(make_run, add_failure):
    record = make_run({})
    for strategy in ("knn", "cnn"):
        add_failure(record, Cell("pets", strategy))
    page = page_of(record)
    assert page.headings == ["What was compared", "Verdict", "What failed"]
    assert "All cells failed" in page.text
    assert "pets-knn-r0-f0: MemoryError: no memory" in page.text
    assert len(page.tags("details")) == 2
    assert not any("open" in attributes for attributes in page.tags("details"))
    assert not (record.folder / "figures").exists()


def test_a_run_that_has_just_begun(make_run):
    record = make_run({}, header=HEADER)
    page = page_of(record)
    assert page.headings == ["What was compared", "How to repeat it"]
    assert "no results yet" in page.text


def test_an_unfinished_run_says_so_and_compares_what_is_there(make_run):
    record = make_run(SYSTEMS, n_folds=4, header=HEADER)
    lines = (record.folder / "record.jsonl").read_text().splitlines(keepends=True)
    without_cnn = [line for line in lines if '"strategy": "cnn"' not in line]
    (record.folder / "record.jsonl").write_text("".join(without_cnn[:-1]))
    page = page_of(record)
    assert "This benchmark is not finished: 1 of 8 cells and all of cnn are missing." in page.text
    (sentence,) = compare_systems(record.folder)["sentence"]
    assert sentence in page.text
    finished = page_of(make_run(SYSTEMS, n_folds=4, header=HEADER))
    assert "not finished" not in finished.text


def test_a_run_that_stopped_between_two_folds_says_so(make_run):
    places = [["pets", 0, 0, fold] for fold in range(4)]
    header = HEADER | {"plan": HEADER["plan"] | {"places": places}}
    page = page_of(make_run(SYSTEMS, n_folds=3, header=header))
    assert "This benchmark is not finished: 3 of 12 cells are missing." in page.text


def test_failures_are_counted_beside_what_is_done(make_run, add_failure):
    record = make_run(SYSTEMS)
    add_failure(record, Cell("pets", "finetune", "vgg16"))
    page = page_of(record)
    assert "1 cell failed and counts for nothing here." in page.text
    assert page.headings[-1] == "What failed"


def test_sizes_are_shown_where_there_are_several(make_run):
    record = make_run({("knn", ""): 0.8, ("cnn", ""): 0.6}, sizes=(50, 100), n_repeats=2)
    page = page_of(record)
    assert "What more training images bring" in page.headings
    assert (record.folder / "figures" / "training-size.svg").exists()
    # All else is about the largest size.
    assert "the mean of 2 cells" in page.text
    (row,) = compare_systems(record.folder).query("train_size == 100").to_dict("records")
    assert row["sentence"] in page.text


def test_folds_of_different_sizes_are_no_training_sizes(make_run):
    record = make_run({("knn", ""): 0.8, ("cnn", ""): 0.6}, n_folds=2)
    table = read_results(record.folder)
    table.loc[table["fold"] == 1, "train_images"] += 8
    missing = (table["fold"] == 1) & (table["strategy"] == "cnn")
    for systems in (scored_systems(table[~missing]), leading_systems(table[~missing])):
        assert systems["system"].tolist() == ["knn", "cnn"]
        assert systems["images"].nunique() == 1


def test_datasets_are_ranked_where_there_are_several(make_run):
    record = make_run(SYSTEMS, datasets=["pets", "cars", "birds"])
    page = page_of(record)
    assert "Over all datasets" in page.headings
    assert "Over all datasets, features-vgg16 ranks first, at 1.00 on average" in page.text
    assert (record.folder / "figures" / "ranks.svg").exists()
    assert {path.stem for path in (record.folder / "figures").glob("leaderboard*")} == {
        "leaderboard-1",
        "leaderboard-2",
        "leaderboard-3",
    }
    for dataset in ("pets", "cars", "birds"):
        assert f"highest test accuracy on {dataset}" in page.text


def test_a_matrix_of_very_many_classes_is_left_out(make_run):
    record = make_run({("knn", ""): 0.5}, classes=[f"class {n:03}" for n in range(41)])
    page = page_of(record)
    assert "class taken for images" in page.text
    assert not (record.folder / "figures" / "confusion-1.svg").exists()


def test_what_the_labels_are_needed_for_is_left_out_without_them(make_run):
    page = page_of(make_run(SYSTEMS, with_labels=False))
    assert "What is mistaken for what" not in page.headings
    assert "not tested" in page.text


def test_a_faster_system_that_is_as_good_is_named(make_run):
    record = make_run({("knn", ""): 0.8, ("cnn", ""): 0.8}, seed=3)
    entries = record.entries()
    knn, cnn = (entries[Cell("pets", name)]["result"] for name in ("knn", "cnn"))
    best, other = ("knn", "cnn") if knn["test_accuracy"] > cnn["test_accuracy"] else ("cnn", "knn")
    for name, seconds in ((best, 50.0), (other, 10.0)):
        cell = Cell("pets", name)
        entries[cell]["result"]["fit_seconds"] = seconds
        record.append(cell, entries[cell], {})
    text = page_of(record).text
    assert f"{other} is trained the fastest: 5.0 times as fast as {best}." in text


def pool(n, side=40):
    images = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return images, np.repeat("cat", n)


def test_pictures_of_mistakes_are_saved_and_shown(make_run):
    record = make_run({("knn", ""): 0.5, ("cnn", ""): 0.2})
    images, labels = pool(60)
    save_mistakes(record, {"pets": Pools(images, labels, images, labels)})
    stored = record.predictions(Cell("pets", "knn"))
    predicted, sureness = stored["proba"].argmax(axis=1), stored["proba"].max(axis=1)
    wrong = np.flatnonzero(predicted != stored["true"])
    worst = wrong[np.argsort(-sureness[wrong], kind="stable")][:12]
    files = sorted((record.folder / "pictures" / "mistakes").iterdir())
    assert {path.name for path in files} == {f"pets-test-{position}.png" for position in worst}
    with Image.open(record.folder / "pictures" / "mistakes" / f"pets-test-{worst[0]}.png") as one:
        np.testing.assert_array_equal(np.asarray(one), images[worst[0]])
    page = page_of(record)
    pictures = [one for one in page.tags("img") if one["src"].startswith("data:image/png")]
    assert len(pictures) >= 12
    classes = ["cat", "dog", "owl"]
    true, taken_for = classes[stored["true"][worst[0]]], classes[predicted[worst[0]]]
    assert f"{true}, taken for {taken_for} ({sureness[worst[0]]:.1%})" in page.text


@pytest.mark.parametrize("as_series", [False, True])
def test_pictures_of_folds_come_from_the_images_to_train_on(make_run, tmp_path, as_series):
    import pandas as pd

    record = make_run({("knn", ""): 0.9}, n_folds=3, n_test=20)
    paths = []
    for number in range(60):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (300, 150), (number, 0, 0)).save(paths[-1])
    files = pd.Series(paths) if as_series else paths
    save_mistakes(record, {"pets": Pools(files, np.repeat("cat", 60))})
    saved = list((record.folder / "pictures" / "mistakes").iterdir())
    assert saved
    for path in saved:
        position = int(re.fullmatch(r"pets-train-(\d+)\.png", path.name)[1])
        with Image.open(path) as picture:
            assert picture.size == (128, 64)
            assert picture.getpixel((5, 5)) == (position, 0, 0)


def test_report_is_written_with_the_tables(make_run):
    record = make_run({("knn", ""): 0.8})
    write_report(record.folder)
    assert (record.folder / "report.html").stat().st_size > 1000
    assert (record.folder / "report.md").read_text().startswith("# Benchmark on pets\n")
