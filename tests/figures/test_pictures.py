from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.figures.curves import ArmCurves, RunCurve
from bloodcell.figures.pictures import confusion_picture, curves_picture, write_picture

ARMS = [
    ArmCurves(
        name="with $x$ and <b>",
        runs=(
            RunCurve(name="a", accuracies=(0.2, 0.6), best_epoch=2),
            RunCurve(name="b", accuracies=(0.4, 0.5), best_epoch=2),
        ),
        paper_accuracy=0.9,
    ),
    ArmCurves(name="not begun", runs=(RunCurve(name="c", accuracies=(), best_epoch=None),)),
]


def test_lines_and_marks_of_the_picture_are_the_curves() -> None:
    axes = curves_picture(ARMS, title="Curves").axes[0]
    mean, *marks, paper = axes.lines
    assert np.asarray(mean.get_xydata()).tolist() == [[1, pytest.approx(0.3)], [2, pytest.approx(0.55)]]
    assert [np.asarray(mark.get_xydata()).tolist() for mark in marks] == [[[2, 0.6]], [[2, 0.5]]]
    assert set(np.asarray(paper.get_ydata()).tolist()) == {0.9}


def test_the_picture_of_a_matrix_writes_its_counts() -> None:
    counts = np.zeros((8, 8), dtype=np.int64)
    counts[0, 0], counts[3, 6] = 80, 5
    texts = {text.get_position(): text.get_text() for text in confusion_picture(counts, title="Matrix").axes[0].texts}
    assert texts == {(0, 0): "80", (6, 3): "5"}


def test_pictures_are_written_as_png_and_svg_and_are_the_same_each_time(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        png, svg = write_picture(curves_picture(ARMS, title="Curves"), tmp_path / name)
        with Image.open(png) as image:
            assert image.size[0] > 1000
        assert svg.read_text().startswith("<?xml")
        written.append(png.read_bytes())
    assert written[0] == written[1]
