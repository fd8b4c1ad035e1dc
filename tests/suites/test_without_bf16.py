"""Runs that ask for bf16 on a processor without it: torch emulates it in training; answers are computed in fp32."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.devices.precision import runs_bf16_natively
from bloodcell.jobs.executors.executor import TestImages
from bloodcell.jobs.executors.local import answer_test_images
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import REPOSITORY, quick_config, train_quietly

MASKED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def train_and_answer(run_dir: Path, data_folder: Path) -> None:
    """Train in bf16 and answer for the same images, as a suite does."""
    assert not runs_bf16_natively(torch.device("cpu"))
    run = train_quietly(quick_config(precision="bf16", epochs=1), data_folder, run_dir)
    answer_test_images(run, TestImages(folders=(data_folder,), seen=frozenset()), lambda what, done, total: None)


def test_a_run_in_bf16_is_recorded_as_such_and_its_test_images_are_answered_in_fp32(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.suites.test_without_bf16", tmp_path / "run", drawn_dataset]
    subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **MASKED}, check=True)
    run = RunFolder(tmp_path / "run")
    assert run.read_config()[0].precision == "bf16"
    for file, precision in ((run.predictions, "bf16"), (run.test_predictions, "fp32")):
        assert [computed for _, computed, _ in read_labelled_table(file).answered_by] == [precision]


if __name__ == "__main__":
    train_and_answer(Path(sys.argv[1]), Path(sys.argv[2]))
