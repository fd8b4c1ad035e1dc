"""A full disk ends a run with a sentence, and costs nothing that was written before. The kernel itself says 'full'."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bloodcell.command_line import main
from bloodcell.errors import RunFolderError
from bloodcell.jobs import enqueue_run, list_jobs, read_job
from bloodcell.paths import published_weights, runs_folder
from bloodcell.runs.checkpoint import load_checkpoint
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import REPOSITORY, quick_config, train_quietly


@pytest.fixture
def fill_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let the disk be full for new files of some names, after so many of them: they are written to /dev/full."""

    def fill(prefix: str, after: int = 0) -> None:
        make, seen = tempfile.mkstemp, []

        def on_a_full_disk(*arguments: Any, **options: Any) -> tuple[int, str]:
            handle, name = make(*arguments, **options)
            if options.get("prefix", "").startswith(prefix):
                seen.append(name)
                if len(seen) > after:
                    os.close(handle)
                    handle = os.open("/dev/full", os.O_WRONLY)
            return handle, name

        monkeypatch.setattr(tempfile, "mkstemp", on_a_full_disk)

    return fill


def test_a_full_disk_fails_the_run_in_words_and_keeps_the_checkpoint(
    fill_disk: Callable[..., None], drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(".last.pt", after=3)
    with pytest.raises(RunFolderError, match="disk full"):
        train_quietly(quick_config(epochs=9), drawn_dataset, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    outcome = run.read_outcome()
    assert outcome is not None
    assert outcome["state"] == "failed"
    assert outcome["reason"].startswith("disk full")
    assert load_checkpoint(run)[0].epoch == 3
    assert not list(run.path.glob(".last.pt.*"))
    monkeypatch.undo()
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path / "home"))
    train_quietly(None, None, run.path)
    assert len(run.read_metrics()) == 9


def test_a_disk_without_room_for_the_outcome_still_tells_that_it_was_full(
    fill_disk: Callable[..., None], drawn_dataset: Path
) -> None:
    folder = runs_folder() / "run"
    fill_disk(".last.pt", after=1)
    fill_disk(".outcome.json")
    with pytest.raises(RunFolderError, match="disk full"):
        train_quietly(quick_config(), drawn_dataset, folder)
    job = read_job(folder)
    assert job.state == "failed"
    assert job.reason.startswith("disk full")
    assert "The last finished epoch is kept" in job.reason


def test_a_job_that_cannot_be_handed_in_leaves_nothing_behind(
    fill_disk: Callable[..., None], drawn_dataset: Path
) -> None:
    fill_disk(".00000001.json")
    with pytest.raises(RunFolderError, match="disk full"):
        enqueue_run(quick_config(), drawn_dataset, name="run")
    assert list_jobs() == []
    assert not (runs_folder() / "run").exists()


@pytest.mark.slow
def test_on_a_file_system_that_is_full_the_run_fails_and_keeps_its_checkpoint(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    """A file system of 1 MiB of its own, where the system lets its users mount one."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("This system lets no user mount a file system.")
    train = f"{sys.executable} -m bloodcell train --experiment paper_simple_cnn --data {drawn_dataset} --device cpu"
    small = tmp_path / "small"
    small.mkdir()
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {small} && cd {REPOSITORY} || exit 77
        {train} --run-dir {small}/run --image-size 32 --epochs 900 & run=$!
        until [ -e {small}/run/metrics.csv ]; do kill -0 $run || exit 78; sleep 0.1; done
        head -c 2m /dev/zero > {small}/filler
        wait $run && exit 79
        cp -r {small}/run {tmp_path}/seen
    """
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if result.returncode == 77:
        pytest.skip("This system lets no user mount a file system.")
    assert result.returncode == 0, result.stderr
    assert "disk full" in result.stderr
    assert "Traceback" not in result.stderr.split("disk full")[-1]
    outcome = RunFolder(tmp_path / "seen").read_outcome()
    assert outcome is not None
    assert outcome["state"] == "failed"
    assert outcome["reason"].startswith("disk full")
    assert load_checkpoint(RunFolder(tmp_path / "seen"))[0].epoch >= 1


def test_a_full_disk_publishes_nothing_and_says_why(
    fill_disk: Callable[..., None], finished_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_disk(".mine")
    assert main(["publish", str(finished_run.path), "mine"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(published_weights().glob("*mine*")) == []
