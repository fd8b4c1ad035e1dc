"""Words that a newcomer cannot know stand nowhere, and a class has one name and one colour wherever it is shown."""

import ast
import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.figures.confusion import confusion_figure
from bloodcell.figures.per_class import per_class_figure
from bloodcell.figures.pictures import confusion_picture
from bloodcell.figures.ranking import precision_recall_figure, roc_figure
from bloodcell.measures.metrics import classification_figures
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.report.model_card import card_markdown, card_tables
from bloodcell.weights.card import read_card
from tests.conftest import REPOSITORY
from webui.classify.cell_detail import probability_chart
from webui.parts.words import STATUS_HELP, STATUS_WORDS, class_name

NAMES = [cell_class.display_name for cell_class in CELL_CLASSES]
COLOURS = [cell_class.colour for cell_class in CELL_CLASSES]
UNKNOWN_WORDS = (
    "chose nothing",
    "chose the epoch",
    "chooses nothing",
    "trains what is no convolution",
    "not a single blood",
    "the split",
    "same split",
    "to split",
    "Holm",
    "(Wilson)",
    "ECE ",
    "with Adam",
)
SHOWING = sorted(
    path
    for room in ("pages", "webui", "bloodcell/report", "bloodcell/figures")
    for path in (REPOSITORY / room).rglob("*.py")
)


def _shown_strings(path: Path) -> list[str]:
    """Return all text in a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_page_uses_words_that_a_newcomer_cannot_know(path: Path) -> None:
    assert [(word, text) for text in _shown_strings(path) for word in UNKNOWN_WORDS if word in text] == []
    assert [text for text in _shown_strings(path) if re.search(r"\bSplit $", text)] == []


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_page_writes_a_class_name_or_colour_of_its_own(path: Path) -> None:
    texts = _shown_strings(path)
    assert [text for text in texts if text in COLOURS] == []
    assert [
        text for text in texts if re.search(r"[Ii]mmature gran\b|\bIG\b(?!_)|[Nn]ormoblast|[Tt]hrombocyte", text)
    ] == []


def _labels_and_probabilities() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(80) % CLASS_COUNT
    logits = np.random.default_rng(0).normal(size=(80, CLASS_COUNT)) + 2 * np.eye(CLASS_COUNT)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_a_class_has_one_name_in_every_figure() -> None:
    labels, probabilities = _labels_and_probabilities()
    counts = classification_figures(labels, probabilities).confusion_matrix
    matrix = confusion_figure(np.array(counts)).figure
    assert list(matrix.layout.xaxis.ticktext) == list(matrix.layout.yaxis.ticktext) == NAMES
    axes = confusion_picture(np.array(counts), title="t").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == NAMES
    per_class = per_class_figure(classification_figures(labels, probabilities).per_class).figure
    assert [name.partition(",")[0] for name in per_class.layout.yaxis.categoryarray] == NAMES
    for drawn in (roc_figure(labels, probabilities), precision_recall_figure(labels, probabilities)):
        assert [trace.name.partition(" · ")[0] for trace in drawn.figure.data if trace.name] == NAMES
    assert list(probability_chart([0.125] * CLASS_COUNT, range(CLASS_COUNT)).data[0].y) == NAMES


def test_a_class_has_one_colour_in_every_figure() -> None:
    labels, probabilities = _labels_and_probabilities()
    per_class = per_class_figure(classification_figures(labels, probabilities).per_class).figure
    marks = next(trace for trace in per_class.data if trace.meta == "f1")
    assert list(marks.marker.color) == COLOURS
    for drawn in (roc_figure(labels, probabilities), precision_recall_figure(labels, probabilities)):
        assert [trace.line.color for trace in drawn.figure.data if trace.name] == COLOURS
    assert list(probability_chart([0.125] * CLASS_COUNT, range(CLASS_COUNT)).data[0].marker.color) == COLOURS


@pytest.mark.parametrize("weights", ["unet_encoder", "deep_cnn", "simple_cnn"])
def test_a_class_has_one_name_in_tables_and_on_pages(weights: str) -> None:
    assert (
        [class_name(label) for label in range(CLASS_COUNT)]
        == [cell_class.display_name for cell_class in CELL_CLASSES]
        == NAMES
    )
    card = read_card(SHIPPED_WEIGHTS / f"{weights}.json")
    tables = {table.name: table for table in card_tables(card)}
    of_classes = [table for name, table in tables.items() if name.startswith("classes-")]
    assert len(of_classes) == 2
    for table in of_classes:
        assert [row[0] for row in table.rows] == NAMES
        rows = list(csv.reader(io.StringIO(table.to_csv().decode())))
        assert [row[0] for row in rows[1:]] == NAMES
        assert all(f"<td>{name}</td>" in table.to_html() for name in NAMES)
    assert list(tables["confusion-matrix"].columns[1:]) == [row[0] for row in tables["confusion-matrix"].rows] == NAMES
    assert f"| {' | '.join(NAMES)} |" in card_markdown(card)


def test_every_status_is_explained_at_the_head_of_its_column() -> None:
    assert [word for word in STATUS_WORDS.values() if f"{word}: " not in STATUS_HELP] == []
    assert "help=STATUS_HELP" in (REPOSITORY / "webui/classify/cell_table.py").read_text()


def test_names_and_colours_tell_all_classes_apart() -> None:
    assert len(set(NAMES)) == len(set(COLOURS)) == CLASS_COUNT
