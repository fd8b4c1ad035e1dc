"""The wall clock jumps while a run trains: by an hour when summer ends, by years when a battery is empty."""

import subprocess
import time

import pytest

from bloodcell.errors import RunFolderError
from bloodcell.jobs import delete_run, list_runs, read_job, stop_job
from bloodcell.runs.run_folder import RunFolder

HOUR, YEAR = 3600.0, 31_557_600.0


@pytest.mark.parametrize("step", [-20 * YEAR, -HOUR, HOUR, 20 * YEAR])
def test_a_run_is_alive_stopped_and_deleted_as_ever_after_a_step_of_the_clock(
    step: float, by_hand: tuple[RunFolder, "subprocess.Popen[bytes]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, process = by_hand
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)
    job = read_job(run.path)
    assert job.state == "running"
    assert job.silent_seconds is not None
    assert 0 <= job.silent_seconds < 300
    with pytest.raises(RunFolderError, match="Stop it first"):
        delete_run(run.path)
    stop_job(run.path)
    assert process.wait(timeout=300) == 1
    job = read_job(run.path)
    assert job.state == "stopped"
    assert [other.name for other in list_runs()] == [run.path.name]
    delete_run(run.path)
    assert not run.path.exists()
