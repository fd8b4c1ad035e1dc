from collections import Counter
from pathlib import Path

import pytest

from bloodcell.datasets.folder_scan import DataFolders, few_of_each_class, scan_dataset
from bloodcell.errors import DatasetError
from bloodcell.training.run_data import RunImages, split_dataset
from tests.conftest import quick_config


def ignored(what: str, done: int, total: int) -> None:
    assert 0 < done <= total


def test_a_run_of_few_images_reads_so_many_of_each_class(drawn_dataset: Path) -> None:
    split = split_dataset(quick_config(images_per_class=5), DataFolders(dataset=drawn_dataset), ignored)
    assert Counter(entry.label for entry in (*split.training, *split.validation)) == dict.fromkeys(range(8), 5)
    assert Counter(entry.label for entry in split.validation) == dict.fromkeys(range(8), 1)


def test_the_few_images_are_the_same_for_a_seed_and_others_for_another(drawn_dataset: Path) -> None:
    files = scan_dataset(drawn_dataset).files
    chosen = few_of_each_class(files, 3, seed=0)
    assert chosen == few_of_each_class(files[::-1], 3, seed=0)
    assert chosen != few_of_each_class(files, 3, seed=1)


def test_runs_that_share_a_size_share_the_decoded_images(drawn_dataset: Path) -> None:
    images, folders = RunImages(), DataFolders(dataset=drawn_dataset)
    first, other = quick_config(seed=0), quick_config(seed=1, model="deep_cnn")
    split = images.split(first, folders, ignored)
    assert images.split(other, folders, ignored) is split
    data = images.load(first, folders, split, ignored)
    assert images.load(other, folders, split, ignored) is data
    larger = images.load(quick_config(image_size_px=48), folders, split, ignored)
    assert larger.training_images.shape[-1] == 48


def test_another_split_is_not_mixed_up_with_the_first(drawn_dataset: Path) -> None:
    images, folders = RunImages(), DataFolders(dataset=drawn_dataset)
    first, other = (images.split(quick_config(split_seed=seed), folders, ignored) for seed in (0, 1))
    assert first != other
    data = images.load(quick_config(), folders, first, ignored)
    assert images.load(quick_config(), folders, other, ignored) is not data


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        RunImages().split(quick_config(), DataFolders(dataset=tmp_path / "gone"), ignored)
