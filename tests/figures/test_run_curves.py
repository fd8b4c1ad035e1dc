from dataclasses import replace

import pytest

from bloodcell.figures.run_curves import accuracy_figure, best_row, learning_rate_figure, loss_figure
from bloodcell.runs.run_folder import EpochMetrics

FIRST = EpochMetrics(
    epoch=1,
    image_size_px=64,
    training_loss=2.0,
    training_accuracy=0.4,
    validation_loss=1.8,
    validation_accuracy=0.5,
    learning_rate=1e-3,
    images_per_second=10.0,
    seconds=8.0,
)
ROWS = [
    FIRST,
    replace(FIRST, epoch=2, validation_accuracy=0.7, validation_loss=1.2, learning_rate=5e-4),
    replace(FIRST, epoch=3, validation_accuracy=0.7, validation_loss=1.1, training_loss=1.0),
]


def line(figure: object, name: str) -> tuple[list[float], list[float]]:
    trace = next(trace for trace in figure.data if trace.name == name)  # type: ignore[attr-defined]
    return list(trace.x), list(trace.y)


def test_losses_are_drawn_per_epoch() -> None:
    figure = loss_figure(ROWS, epochs=3)
    assert line(figure, "Training") == ([1, 2, 3], [2.0, 2.0, 1.0])
    assert line(figure, "Validation") == ([1, 2, 3], [1.8, 1.2, 1.1])


def test_accuracies_are_percent_and_the_star_stands_at_the_epoch_whose_weights_are_kept() -> None:
    figure = accuracy_figure(ROWS, epochs=3)
    assert line(figure, "Validation")[1] == pytest.approx([50, 70, 70])
    assert line(figure, "Best")[0] == [best_row(ROWS).epoch] == [3]


def test_the_learning_rate_is_drawn_as_it_was() -> None:
    assert line(learning_rate_figure(ROWS, epochs=3), "Learning rate") == ([1, 2, 3], [1e-3, 5e-4, 1e-3])


def test_curves_differ_in_more_than_colour() -> None:
    dashes = {trace.line.dash for trace in loss_figure(ROWS, epochs=3).data}
    assert len(dashes) == 2


@pytest.mark.parametrize(("done", "epochs", "last"), [(1, 200, 10), (3, 200, 30), (3, 3, 3), (30, 40, 40)])
def test_the_axis_shows_few_points_large_and_never_reaches_past_the_run(done: int, epochs: int, last: int) -> None:
    rows = [replace(FIRST, epoch=number + 1) for number in range(done)]
    assert loss_figure(rows, epochs).layout.xaxis.range == (0.5, last + 0.5)


def test_a_run_without_an_epoch_has_empty_curves() -> None:
    assert line(accuracy_figure([], epochs=5), "Validation") == ([], [])
