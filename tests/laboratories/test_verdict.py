import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.example_cells import example_cells
from bloodcell.laboratories.tray import answer_tray
from bloodcell.laboratories.verdict import (
    FALSE_ALARM,
    FEWEST_CELLS,
    UNLIKE_SHARE,
    tray_summary,
    tray_verdict,
    under_verdict,
)
from bloodcell.paths import DEFAULT_WEIGHTS, ELSEWHERE_WEIGHTS
from bloodcell.weights.card import find_weights, read_card
from tests.shell import bloodcell, rows_of

CARD = read_card(find_weights(DEFAULT_WEIGHTS))
PROBABILITIES = (0.93, *[0.01] * (CLASS_COUNT - 1))
HOME = PredictionRow(
    file="a.png",
    status="ok",
    reason="",
    predicted=0,
    confidence=0.93,
    probabilities=PROBABILITIES,
    model="main",
    model_sha256="ab12",
)
UNLIKE = replace(HOME, status="review", reason="unlike", unlike_traits=())
NO_CELL = replace(UNLIKE, status="refused", predicted=None, confidence=None)
BROKEN = replace(HOME, status="error", reason="empty", predicted=None, confidence=None, probabilities=None)


def tray(home: int, unlike: int = 0, no_cells: int = 0) -> list[PredictionRow]:
    return [HOME] * home + [UNLIKE] * unlike + [NO_CELL] * no_cells


@pytest.mark.parametrize(
    ("rows", "laboratory"),
    [
        (tray(FEWEST_CELLS), "known"),
        (tray(99, 1), "known"),
        (tray(19, 1), "known"),
        (tray(18, 2), "undecided"),
        (tray(17, 3), "other"),
        (tray(0, 2), "other"),
        (tray(46, 4), "other"),
        (tray(97, 3), "undecided"),
        (tray(95, 5), "other"),
        (tray(0, 20, 40), "other"),
        (tray(FEWEST_CELLS - 1), "undecided"),
        (tray(5, 1), "undecided"),
        (tray(30, 0, 31), "undecided"),
        (tray(30, 0, 10), "known"),
        ([], "undecided"),
        ([BROKEN] * 30, "undecided"),
    ],
)
def test_a_tray_is_known_another_s_or_cannot_be_said(rows: list[PredictionRow], laboratory: str) -> None:
    assert tray_verdict(rows, CARD).laboratory == laboratory


@pytest.mark.parametrize("cells", [20, 50, 100, 1000])
def test_trays_of_a_known_laboratory_are_hardly_ever_called_another_s(cells: int) -> None:
    random = np.random.default_rng(cells)
    called = [
        tray_verdict(tray(cells - unlike, unlike), CARD).laboratory
        for unlike in random.binomial(cells, UNLIKE_SHARE, size=2000).tolist()
    ]
    assert called.count("other") / len(called) <= 2 * FALSE_ALARM
    assert called.count("known") / len(called) >= 0.9


def test_nothing_is_sure_in_another_laboratory_nor_where_few_cells_say_it_may_be_one() -> None:
    for rows in (tray(17, 3), tray(18, 2), tray(5, 1)):
        verdict = tray_verdict(rows, CARD)
        judged = [under_verdict(row, verdict) for row in rows]
        assert {row.status for row in judged} == {"review"}
        assert all(row.reason for row in judged)
        assert [row.predicted for row in judged] == [row.predicted for row in rows]
    known = tray_verdict(tray(99, 1), CARD)
    assert under_verdict(HOME, known) == replace(HOME, laboratory="known")


def test_the_differences_are_the_median_of_the_unlike_cells() -> None:
    looks = CARD.gate["training_looks"]
    middle = [sum(looks[key]) / 2 for key in looks]
    dark = [(value, *middle[1:]) for value in (10.0, 20.0, 210.0)]
    rows = [replace(UNLIKE, unlike_traits=traits) for traits in dark]
    assert tray_verdict(rows, CARD).differences.startswith("darker background (brightness 20; in training 2")


def test_weights_that_tell_no_laboratories_apart_say_so() -> None:
    card = read_card(find_weights(ELSEWHERE_WEIGHTS))
    verdict = tray_verdict(tray(30), card)
    assert (verdict.laboratory, verdict.reason) == ("undecided", "These weights do not tell laboratories apart.")


def test_where_several_models_were_asked_nothing_is_told_and_nothing_is_sure() -> None:
    verdict = tray_verdict(tray(30), None)
    assert verdict.laboratory == "undecided"
    assert under_verdict(HOME, verdict).status == "review"


def test_weights_that_know_their_own_images_less_well_need_more_unlike_cells() -> None:
    coarse = replace(CARD, gate={**CARD.gate, "held_out": 100, "held_out_refused": 5})
    assert tray_verdict(tray(95, 5), coarse).laboratory == "known"
    assert tray_verdict(tray(70, 30), coarse).laboratory == "other"


def test_a_summary_counts_what_the_table_holds() -> None:
    rows = [*tray(17, 3, 1), BROKEN]
    verdict = tray_verdict(rows, CARD)
    summary = tray_summary([under_verdict(row, verdict) for row in rows], verdict)
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["cells"], summary["laboratory"]) == (20, "other")
    assert summary["statuses"] == {"ok": 0, "review": 20, "refused": 1, "other_cell": 0, "error": 1}
    assert summary["classes"]["basophil"] == 20
    assert summary["evidence"]["unlike"] == 3


def test_classify_says_whose_laboratory_it_is_before_anything_else_counts(tmp_path: Path) -> None:
    for file in example_cells():
        (tmp_path / "home" / file.path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "home" / file.path.name).write_bytes(file.path.read_bytes())
        green = np.asarray(Image.open(file.path).convert("RGB"))[..., [1, 2, 0]]
        (tmp_path / "other" / file.path.name).parent.mkdir(exist_ok=True)
        Image.fromarray(green).save(tmp_path / "other" / file.path.name, quality=95)
    for name, laboratory in (("home", "known"), ("other", "other")):
        csv, summary = tmp_path / f"{name}.csv", tmp_path / f"{name}.json"
        result = bloodcell("classify", tmp_path / name, "--csv", csv, "--summary", summary, "--device", "cpu")
        assert result.returncode == 0, result.stderr
        rows, told = rows_of(csv), json.loads(summary.read_text())
        assert {row["laboratory"] for row in rows} == {told["laboratory"]} == {laboratory}
        assert f"Laboratory: {laboratory}." in result.stdout
        assert told["statuses"]["ok"] == sum(row["status"] == "ok" for row in rows)
        assert (told["statuses"]["ok"] > 0) == (laboratory == "known")
        assert sum(told["classes"].values()) == sum(row["predicted"] != "" for row in rows)
        assert bool(told["evidence"]["differences"]) == (laboratory == "other")


def test_in_another_laboratory_no_class_comes_from_the_home_weights(tmp_path: Path) -> None:
    sources = []
    for place, file in enumerate(example_cells()):
        image = np.asarray(Image.open(file.path).convert("RGB"))
        stream = io.BytesIO()
        Image.fromarray(image if place % 2 else image[..., [1, 2, 0]]).save(stream, "PNG")
        sources.append(ImageSource(name=f"{place}.png", read=stream.getvalue))
    classifier = Classifier.load(DEFAULT_WEIGHTS, device="cpu")
    last: dict[int, Answer] = {}
    rows, verdict = answer_tray(classifier, sources, heat_maps=True, on_answer=last.__setitem__)
    other = read_card(find_weights(ELSEWHERE_WEIGHTS))
    assert verdict.laboratory == "other"
    assert {row.model for row in rows} == {ELSEWHERE_WEIGHTS}
    assert {row.status for row in rows} <= {"review", "refused"}
    assert all(row.reason for row in rows)
    for place, row in enumerate(rows):
        assert last[place].row.probabilities == row.probabilities
        assert last[place].field_of_view == other.field_of_view
    # The verdict rests on what the home weights found, not on who answered in the end.
    assert verdict.unlike == 12
