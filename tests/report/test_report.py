import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bloodcell.config import RunConfig
from bloodcell.experiments import experiment_config
from bloodcell.report.arms import best_row, group_arms
from bloodcell.report.paper_figures import paper_figures
from bloodcell.report.paper_recipes import not_comparable_table, paper_differences
from bloodcell.report.paper_tables import architecture_tables, order_words, paper_tables
from bloodcell.report.paper_values import PAPER_MODELS, PAPER_RUNS
from bloodcell.report.run_tables import origin_table, runs_table, settings_table
from bloodcell.report.suite_report import suite_report
from bloodcell.report.table import Table
from bloodcell.suites.run_record import list_records
from tests.builders.drawn_records import write_drawn_record, write_drawn_suite

HOSTILE = "=cmd|' <script>alert(1)</script>"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    write_drawn_suite(folder, seeds=2, epochs=None, images=160, name="paper")
    return folder


def test_a_table_comes_back_from_its_csv_as_it_was() -> None:
    table = Table(name="t", title="T", columns=("a, b", "c"), rows=(('x "y"', "−1.5"), ("line\nbreak", "-0.47")))
    header, *rows = csv.reader(io.StringIO(table.to_csv().decode(), newline=""))
    assert (tuple(header), tuple(map(tuple, rows))) == (table.columns, table.rows)


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed_and_numbers_are_left_alone() -> None:
    table = Table(name="t", title="T", columns=("=x",), rows=((HOSTILE,), ("-0.47",), ("@x",)))
    cells = [row[0] for row in csv.reader(io.StringIO(table.to_csv().decode(), newline=""))]
    assert cells == ["'=x", f"'{HOSTILE}", "-0.47", "'@x"]


def test_html_of_a_table_escapes_its_text() -> None:
    html = Table(name="t", title=HOSTILE, columns=(HOSTILE,), rows=((HOSTILE,),), note=HOSTILE).to_html()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 4


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 2 cells"):
        Table(name="t", title="T", columns=("a", "b"), rows=(("1",),))


def test_tables_1_and_2_measured_on_the_models_are_the_papers() -> None:
    for table in architecture_tables():
        assert table.rows
        for _, *cells in table.rows:
            assert cells[::2] == cells[1::2]


def test_tables_3_to_6_hold_means_of_the_runs_beside_the_papers_values(suite: Path) -> None:
    arms = group_arms(list_records(suite))
    third, fourth, _, sixth = paper_tables(arms)
    rows = {row[0]: row for row in third.rows}
    main = next(arm for arm in arms if str(arm.config.model) == "unet_encoder")
    best = [best_row(run).validation_accuracy for run in main.runs]
    assert rows["U-Net encoder"][1].startswith(f"{100 * sum(best) / 2:.2f} % (")
    assert [row[2] for row in third.rows] == ["71.25 %", "90.00 %", "98.75 %"]
    assert [row[4] for row in third.rows] == ["56.40 %", "82.90 %", "97.40 %"]
    assert (fourth.rows[1][2], fourth.rows[1][4]) == ("12.50 %", "−86.25")
    assert (sixth.rows[1][2], sixth.rows[1][4]) == ("98.28 %", "−0.47")


def test_an_ablation_counts_both_arms_up_to_the_same_epoch(tmp_path: Path) -> None:
    for name in ("paper_unet_encoder", "paper_no_dropout"):
        write_drawn_record(tmp_path / f"{name}-seed0", experiment_config(name), images=16)
    arms = group_arms(list_records(tmp_path))
    sixth = paper_tables(arms)[3]
    main = next(arm for arm in arms if str(arm.config.model) == "unet_encoder").runs[0]
    assert sixth.rows[0][1] == f"{100 * max(row.validation_accuracy for row in main.metrics[:40]):.2f} %"
    assert "up to epoch 40" in sixth.note
    (figure,) = (figure for figure in paper_figures(arms) if figure.name == "figure_6")
    assert [len(curves.runs[0].accuracies) for curves in figure.curves] == [40, 40]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("accurate_unet_encoder", {}, "recipe accurate_unet_encoder; 192 px instead of 256; 12 epochs instead of 60"),
        ("paper_unet_encoder", {"epochs": 8}, "8 epochs instead of 60"),
        ("paper_simple_cnn", {"image_size_px": 80}, "80 px instead of 256"),
        ("paper_deep_cnn", {"images_per_class": 25}, "at most 25 images of a class instead of all"),
        ("paper_no_dropout", {"learning_rate": 3e-3}, "learning rate 0.003 instead of 0.001"),
        ("paper_unet_encoder", {"precision": "bf16", "memory_format": "channels_last", "seed": 4}, ""),
        ("paper_ablation_base", {}, ""),
    ],
)
def test_only_the_papers_recipes_stand_beside_its_figures(
    tmp_path: Path, name: str, changes: dict[str, Any], words: str
) -> None:
    config = replace(experiment_config(name), **changes)
    (arm,) = group_arms(list_records(write_drawn_record(tmp_path / "run-seed0", config, images=16)))
    assert "; ".join(paper_differences(arm)).startswith(words)
    assert bool(paper_differences(arm)) == bool(words)
    cells = {cell for table in paper_tables([arm]) for row in table.rows for cell in row}
    assert ("2,560" in cells) == (words == "")
    assert (paper_figures([arm]) == ()) == (words != "")
    assert len(not_comparable_table([arm]).rows) == (1 if words else 0)


def test_runs_on_more_images_are_not_comparable_and_say_so(tmp_path: Path) -> None:
    path = write_drawn_record(tmp_path / "run-seed0", experiment_config("paper_unet_encoder"), images=16)
    card = (path / "best.json").read_text()
    (path / "best.json").write_text(card.replace('"training_images": 2560', '"training_images": 6960'))
    (arm,) = group_arms(list_records(tmp_path))
    assert paper_differences(arm) == ("6,960 training images instead of 2,560",)


def test_size_images_epochs_precision_and_seeds_stand_beside_every_figure(suite: Path) -> None:
    for table in paper_tables(group_arms(list_records(suite))):
        for row in table.rows:
            cells = dict(zip(table.columns, row, strict=True))
            assert (cells["Seeds"], cells["Size, px"]) == ("2", "256")
            assert (cells["Training images"], cells["Precision"]) == ("2,560", "fp32")
            assert cells["Epochs, here"] in ("40", "60")


def test_without_runs_the_tables_say_so_and_keep_the_papers_values() -> None:
    tables = paper_tables([])
    assert len(tables) == 4
    assert all("still to be run" in {cell for row in table.rows for cell in row} for table in tables)
    assert paper_figures([]) == ()
    assert order_words([]) == ""


def test_the_order_of_the_paper_is_confirmed_or_the_exception_named(suite: Path, tmp_path: Path) -> None:
    assert order_words(group_arms(list_records(suite))).startswith("The 6 models stand in the paper's order")
    for name, drawn in (("paper_simple_cnn", "deep_cnn"), ("paper_deep_cnn", "simple_cnn")):
        config = experiment_config(name)
        path = tmp_path / f"{config.model}-seed0"
        write_drawn_record(path, replace(config, model=drawn), images=16)
        text = (path / "config.json").read_text()
        (path / "config.json").write_text(text.replace(f'"model": "{drawn}"', f'"model": "{config.model}"'))
    words = order_words(group_arms(list_records(tmp_path)))
    assert "Simple CNN" in words
    assert "above Deep CNN" in words
    assert "one seed each, which ranks nothing" in words


def test_figures_2_to_6_hold_the_accuracies_of_the_runs(suite: Path) -> None:
    arms = group_arms(list_records(suite))
    figures = {figure.name: figure for figure in paper_figures(arms)}
    assert set(figures) == {f"figure_{number}" for number in range(2, 7)}
    for curves, model in zip(figures["figure_2"].curves, PAPER_MODELS, strict=True):
        arm = next(arm for arm in arms if arm.config.model == model)
        wanted = [tuple(row.validation_accuracy for row in run.metrics) for run in arm.runs]
        assert [run.accuracies for run in curves.runs] == wanted
        assert curves.paper_accuracy == PAPER_RUNS[model].validation_accuracy
    matrix = figures["figure_3"].matrix
    assert matrix is not None
    assert int(matrix.sum()) == 160


def test_the_run_tables_name_every_run_setting_and_origin(suite: Path) -> None:
    arms = group_arms(list_records(suite))
    assert len(runs_table(arms).rows) == 12
    assert {row[0] for row in settings_table(arms).rows} == {*arms[0].config.to_dict(), "seeds"} - {"seed"}
    assert settings_table(arms).rows[1][0] in ("experiment", "model")
    origin = dict(origin_table(arms).rows)
    assert origin["Seeds"] == "0, 1"
    assert origin["Data fingerprint"] == "d" * 64
    assert origin["Hardware"] == "drawn, not measured"


def test_the_report_is_one_page_with_plotly_once_and_nothing_from_elsewhere(suite: Path) -> None:
    page = suite_report(group_arms(list_records(suite)), title="Suite quick").decode()
    assert page.count("<script>/**\n* plotly.js v") == 1
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    for words in ("Table 1.", "Table 6.", "Figure 2.", "Figure 6.", "drawn, not measured", "d" * 64, "98.75 %"):
        assert words in page


def test_the_report_escapes_what_folders_are_called(tmp_path: Path) -> None:
    name = "=cmd<script>alert(1)<script>-seed0"
    write_drawn_record(
        tmp_path / name, RunConfig(experiment="x", model="unet_encoder", image_size_px=64, epochs=3), images=16
    )
    arms = group_arms(list_records(tmp_path))
    page = suite_report(arms, title=HOSTILE, damaged=[HOSTILE]).decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
