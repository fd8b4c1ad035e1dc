import random
import shutil
from pathlib import Path

import pytest
import torch

from bloodcell.errors import RunFolderError
from bloodcell.runs.checkpoint import load_checkpoint
from bloodcell.runs.run_folder import RunFolder


@pytest.fixture
def run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copy(finished_run.checkpoint, tmp_path / finished_run.checkpoint.name)
    return RunFolder(tmp_path)


def test_no_flipped_bit_of_a_checkpoint_loads(run: RunFolder) -> None:
    good, chance = run.checkpoint.read_bytes(), random.Random(0)
    load_checkpoint(run)
    for _ in range(150):
        place = chance.randrange(len(good))
        damaged = bytearray(good)
        damaged[place] ^= 1 << chance.randrange(8)
        run.checkpoint.write_bytes(damaged)
        with pytest.raises(RunFolderError, match="damaged"):
            load_checkpoint(run)


def test_a_checkpoint_that_was_cut_off_does_not_load(run: RunFolder) -> None:
    good = run.checkpoint.read_bytes()
    for length in (0, 10, 100, len(good) // 2, len(good) - 1):
        run.checkpoint.write_bytes(good[:length])
        with pytest.raises(RunFolderError, match="damaged"):
            load_checkpoint(run)


def test_a_checkpoint_of_version_0_1_loads_and_says_that_it_has_no_checksum(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    whole, _, _ = load_checkpoint(run)
    run.checkpoint.write_bytes(run.checkpoint.read_bytes().partition(b"\n")[2])
    torch.load(run.checkpoint, weights_only=True)
    old, _, _ = load_checkpoint(run)
    assert old == whole
    assert "no checksum" in caplog.text
