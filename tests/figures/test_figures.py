"""Every figure holds exactly the data that it was given."""

import numpy as np
import plotly.graph_objects as go
import pytest

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.figures.confusion import CLICK_TRACE, MatrixValues, confusion_figure, matrix_values
from bloodcell.figures.curves import ArmCurves, RunCurve, validation_curves
from bloodcell.figures.per_class import per_class_figure
from bloodcell.figures.ranking import precision_recall_figure, roc_figure
from bloodcell.figures.reliability import reliability_figure
from bloodcell.figures.style import DASHES, SERIES_COLOURS, plain_text, series_style
from bloodcell.figures.subtypes import subtype_figure
from bloodcell.measures.by_subtype import answers_by_subtype
from bloodcell.measures.metrics import classification_figures, confusion_matrix
from bloodcell.measures.ranking import precision_recall_curve, roc_curve
from bloodcell.measures.reliability import reliability

ARM = ArmCurves(
    name="main",
    runs=(
        RunCurve(name="main-seed0", accuracies=(0.2, 0.6, 0.5), best_epoch=2),
        RunCurve(name="main-seed1", accuracies=(0.4, 0.5, 0.9, 0.95), best_epoch=4),
    ),
    paper_accuracy=0.9875,
)


def _answers(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    probabilities = chance.dirichlet(np.full(CLASS_COUNT, 0.3), n)
    return np.where(chance.random(n) < 0.8, probabilities.argmax(1), chance.integers(0, CLASS_COUNT, n)), probabilities


def _traces(figure: go.Figure, meta: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.meta == meta]


def test_the_line_is_the_mean_up_to_the_epoch_that_all_seeds_have_done() -> None:
    (line,) = _traces(validation_curves([ARM], name="curves", title="Curves").figure, "mean")
    assert line.x == (1, 2, 3)
    assert line.y == pytest.approx((0.3, 0.55, 0.7))


def test_the_band_reaches_from_the_lowest_to_the_highest_seed() -> None:
    (band,) = _traces(validation_curves([ARM], name="curves", title="Curves").figure, "band")
    assert band.x == (1, 2, 3, 3, 2, 1)
    assert band.y == (0.4, 0.6, 0.9, 0.5, 0.5, 0.2)


def test_one_seed_has_no_band() -> None:
    alone = ArmCurves(name="alone", runs=ARM.runs[:1])
    assert _traces(validation_curves([alone], name="curves", title="Curves").figure, "band") == []


def test_the_best_epoch_of_every_run_is_marked() -> None:
    (marks,) = _traces(validation_curves([ARM], name="curves", title="Curves").figure, "best epoch")
    assert (marks.x, marks.y, marks.text) == ((2, 4), (0.6, 0.95), ("main-seed0", "main-seed1"))


def test_the_papers_value_is_a_line_across() -> None:
    shapes = validation_curves([ARM], name="curves", title="Curves").figure.layout.shapes
    assert [(shape.y0, shape.y1) for shape in shapes] == [(0.9875, 0.9875)]


def test_arms_are_told_apart_by_more_than_colour() -> None:
    count = len(SERIES_COLOURS) * len(DASHES)
    assert len({(style.colour, style.dash) for style in map(series_style, range(count))}) == count


def test_names_of_runs_are_no_markup() -> None:
    hostile = "<a href='javascript:alert(1)'>x</a>\u202e"
    arm = ArmCurves(name=hostile, runs=(RunCurve(name=hostile, accuracies=(0.5,), best_epoch=1),))
    drawn = validation_curves([arm], name="curves", title="Curves")
    texts = [trace.name or "" for trace in drawn.figure.data] + list(drawn.figure.data[-1].text)
    assert not any("<a" in text or "\u202e" in text for text in texts)
    assert plain_text("a & <b>") == "a &amp; &lt;b&gt;"


@pytest.mark.parametrize("values", ["counts", "row shares", "column shares"])
@pytest.mark.parametrize("hide_diagonal", [False, True])
def test_the_matrix_shows_and_carries_exactly_its_counts(values: MatrixValues, hide_diagonal: bool) -> None:
    labels, probabilities = _answers()
    counts = confusion_matrix(labels, probabilities.argmax(1), CLASS_COUNT)
    figure = confusion_figure(counts, values=values, hide_diagonal=hide_diagonal).figure
    colours = np.nansum([trace.z for trace in figure.data if isinstance(trace, go.Heatmap)], axis=0)
    wanted = matrix_values(counts, values)
    if hide_diagonal:
        np.fill_diagonal(wanted, 0)
    np.testing.assert_array_equal(colours, wanted)
    (cells,) = (trace for trace in figure.data if trace.name == CLICK_TRACE)
    places = [(y, x) for y, x in zip(cells.y, cells.x, strict=True)]
    assert [tuple(place) for place in cells.customdata] == places
    assert len(set(places)) == CLASS_COUNT**2 - (CLASS_COUNT if hide_diagonal else 0)
    assert cells.marker.symbol == "square"


def test_every_count_above_zero_is_written_into_its_cell() -> None:
    labels, probabilities = _answers()
    counts = confusion_matrix(labels, probabilities.argmax(1), CLASS_COUNT)
    written = {}
    for trace in confusion_figure(counts).figure.data:
        if isinstance(trace, go.Scatter) and trace.mode == "text":
            written |= {(y, x): int(text) for y, x, text in zip(trace.y, trace.x, trace.text, strict=True)}
    assert written == {(int(y), int(x)): int(counts[y, x]) for y, x in np.argwhere(counts)}


def test_shares_of_rows_and_columns_sum_to_one() -> None:
    counts = np.array([[3, 1], [0, 0]])
    assert matrix_values(counts, "row shares").tolist() == [[0.75, 0.25], [0, 0]]
    assert matrix_values(counts, "column shares").tolist() == [[1, 1], [0, 0]]


def test_a_matrix_without_images_is_drawn() -> None:
    assert confusion_figure(np.zeros((8, 8), dtype=np.int64)).alt == "Confusion matrix: 0 of 0 images right."


@pytest.mark.parametrize("field", ["precision", "recall", "f1"])
def test_marks_per_class_are_the_measures_with_their_support(field: str) -> None:
    figures = classification_figures(*_answers()).per_class
    (marks,) = _traces(per_class_figure(figures).figure, field)
    assert marks.x == tuple(getattr(of_class, field) for of_class in figures)
    assert all(f"n = {of_class.support}" in name for of_class, name in zip(figures, marks.y, strict=True))
    assert marks.marker.color == tuple(cell_class.colour for cell_class in CELL_CLASSES)


def test_a_class_that_does_not_occur_keeps_its_line_and_has_no_marks() -> None:
    labels, probabilities = _answers()
    figures = classification_figures(np.where(labels == 3, 0, labels), probabilities).per_class
    drawn = per_class_figure(figures)
    for field in ("precision", "recall", "f1"):
        (marks,) = _traces(drawn.figure, field)
        assert [value is None for value in marks.x] == [label == 3 for label in range(CLASS_COUNT)]
        assert len(marks.y) == CLASS_COUNT
    assert "Immature granulocyte" not in drawn.alt


def test_ranking_curves_are_those_of_the_measures() -> None:
    labels, probabilities = _answers()
    roc, ranked = roc_figure(labels, probabilities).figure, precision_recall_figure(labels, probabilities).figure
    for index, cell_class in enumerate(CELL_CLASSES):
        curve = roc_curve(labels == index, probabilities[:, index])
        other = precision_recall_curve(labels == index, probabilities[:, index])
        (line,), (other_line,) = _traces(roc, cell_class.key), _traces(ranked, cell_class.key)
        assert curve is not None
        assert other is not None
        np.testing.assert_array_equal(line.x, curve.false_positive_rate)
        np.testing.assert_array_equal(line.y, curve.true_positive_rate)
        np.testing.assert_array_equal(other_line.x, other.recall)
        np.testing.assert_array_equal(other_line.y, other.precision)
        assert f"{curve.area:.4f}" in line.name


def test_a_class_without_images_has_no_line() -> None:
    labels, probabilities = _answers()
    others = np.where(labels == 3, 0, labels)
    assert _traces(roc_figure(others, probabilities).figure, CELL_CLASSES[3].key) == []


def test_the_reliability_diagram_holds_its_bins_and_says_its_error() -> None:
    measured = reliability(*_answers())
    drawn = reliability_figure(measured)
    (points,) = (trace for trace in drawn.figure.data if trace.name == "bins")
    assert points.x == tuple(part.confidence for part in measured.bins)
    assert points.y == tuple(part.accuracy for part in measured.bins)
    assert points.customdata == tuple(part.n for part in measured.bins)
    assert f"{100 * measured.expected_calibration_error:.2f} %" in drawn.title


def test_subtype_bars_are_the_shares_of_mistakes() -> None:
    labels, probabilities = _answers()
    files = [("BNE", "SNE")[index % 2] + f"_{index}.jpg" for index in range(len(labels))]
    counted = answers_by_subtype(files, np.full(len(labels), 6), probabilities.argmax(1), CLASS_COUNT)
    near, other = subtype_figure(counted).figure.data
    assert near.x == tuple(one.near_misses / one.n for one in counted)
    assert other.x == tuple(one.other_mistakes / one.n for one in counted)


def test_every_figure_says_in_words_what_there_is_to_see() -> None:
    labels, probabilities = _answers()
    counts = confusion_matrix(labels, probabilities.argmax(1), CLASS_COUNT)
    drawn = [
        validation_curves([ARM], name="curves", title="Curves"),
        confusion_figure(counts),
        per_class_figure(classification_figures(labels, probabilities).per_class),
        roc_figure(labels, probabilities),
        precision_recall_figure(labels, probabilities),
        reliability_figure(reliability(labels, probabilities)),
    ]
    assert all(len(figure.alt) > 40 and any(sign.isdigit() for sign in figure.alt) for figure in drawn)
