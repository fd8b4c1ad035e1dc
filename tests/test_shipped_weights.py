import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bloodcell.cell_classes import CLASS_KEYS, class_index_of_folder
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.integrity import check_images
from bloodcell.datasets.split import stratified_split
from bloodcell.measures.statistics import wilson_interval
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.architecture_table import count_parameters
from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS
from bloodcell.weights.card import read_card
from bloodcell.weights.file import load_weights
from tests.conftest import REPOSITORY

NAMES = ("unet_encoder", "simple_cnn", "deep_cnn", "any_laboratory")

# Linux counts into a process's peak the memory of the process that started it: the one between is small, this one not.
PEAK_MEMORY_OF_A_COMMAND = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_that_ship_load_and_are_the_model_that_they_are_named_after(name: str) -> None:
    assert load_weights(name).card.model == NAMED_MODELS["efficientnet_lite" if name == ELSEWHERE_WEIGHTS else name]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_know_every_image_of_their_training_and_validation(name: str) -> None:
    weights = load_weights(name)
    known = weights.card.training_data["training_images"] + weights.card.training_data["validation_images"]
    assert weights.known_images is not None
    assert len(weights.known_images) == known


def test_the_main_weights_have_the_papers_parameters() -> None:
    assert count_parameters(load_weights("unet_encoder").model) == 4_718_312


def test_all_weights_together_stay_under_32_mb() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_WEIGHTS.iterdir()) < 32_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_card_carries_test_figures_with_n_and_interval(name: str) -> None:
    figures = read_card(SHIPPED_WEIGHTS / f"{name}.json").metrics["test"]
    assert figures["n"] == 1000
    assert figures["accuracy"] == figures["correct"] / 1000
    assert figures["accuracy_interval"] == pytest.approx(wilson_interval(figures["correct"], 1000), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_macro_f1_on_a_card_is_that_of_the_classes_that_occur(name: str) -> None:
    metrics = read_card(SHIPPED_WEIGHTS / f"{name}.json").metrics
    for figures in (metrics[part] for part in ("test", "validation")):
        occurring = [of_class["f1"] for of_class in figures["per_class"] if of_class["support"]]
        assert figures["macro_f1"] == pytest.approx(sum(occurring) / len(occurring))


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_shows_the_figures_of_the_cards(name: str) -> None:
    card = read_card(SHIPPED_WEIGHTS / f"{name}.json")
    cells = [f"`{name}`", str(card.image_size_px)]
    for part in ("validation", "test"):
        low, high = card.metrics[part]["accuracy_interval"]
        cells.append(f"{card.metrics[part]['accuracy']:.2%} ({low:.1%} to {high:.1%})".replace("%", " %"))
    assert f"| {' | '.join(cells)} |" in (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_card_holds_no_path_of_the_machine_that_trained_it(name: str) -> None:
    text = (SHIPPED_WEIGHTS / f"{name}.json").read_text()
    assert "/root" not in text
    assert "/tmp" not in text
    assert "/home" not in text


@pytest.mark.real_images
def test_the_test_images_are_answered_as_the_card_says_in_2_gib(real_data_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bloodcell", "classify", real_data_folder / "pbc_test"]
    process = subprocess.run(
        [sys.executable, "-c", PEAK_MEMORY_OF_A_COMMAND, *command, "--csv", tmp_path / "out.csv", "--device", "cpu"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        check=True,
    )
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1000
    right = sum(
        class_index_of_folder(Path(row["file"]).parts[0])
        == max(range(len(CLASS_KEYS)), key=lambda label: float(row[f"p_{CLASS_KEYS[label]}"]))
        for row in rows
    )
    assert right >= 960
    assert sum(row["status"] == "refused" for row in rows) <= 10
    # Other processors round differently; a cell on the border of two classes may change sides.
    assert abs(right - read_card(SHIPPED_WEIGHTS / "unet_encoder.json").metrics["test"]["correct"]) <= 2
    assert int(process.stdout) < 2 * 1024**2


@pytest.mark.real_images
def test_the_real_images_pass_the_check_and_split_as_in_the_paper(real_data_folder: Path) -> None:
    files = scan_dataset(real_data_folder / "pbc3200").files
    report = check_images(files)
    assert len(report.usable) == 3200
    assert report.duplicate_groups == ()
    split = stratified_split(report.usable, report.sha256, split_seed=0)
    assert Counter(entry.label for entry in split.validation) == dict.fromkeys(range(8), 80)
    assert Counter(entry.label for entry in split.training) == dict.fromkeys(range(8), 320)
