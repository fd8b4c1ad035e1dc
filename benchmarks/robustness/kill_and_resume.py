"""Kill a training with SIGKILL again and again, half of the times while it writes a file, and resume it.

Counted: checkpoints that could not be loaded, finished epochs that were lost, and whether the run that was killed ends
with the metrics, weights and answers of one that was not. CPU, simple CNN, drawn cells.

Run with: python -m benchmarks.robustness.kill_and_resume
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.results_file import machine_line, table, write_section
from benchmarks.robustness.attack import Tally
from bloodcell.config import RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.errors import RunFolderError
from bloodcell.runs.run_folder import RunFolder

_ROOT = Path(__file__).resolve().parents[2]
_TIMINGS = ("images_per_second", "seconds")
_MOST_EPOCHS_BETWEEN_KILLS = 2
_MOST_WRITES_PASSED = 4
"""Before one is aimed at; an epoch writes about as many files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KillFigures:
    """What the kills did."""

    kills: int
    while_writing: int
    """Kills that left a half-written file behind."""
    damaged_checkpoints: int
    lost_epochs: int
    """Epochs that the log calls finished and the checkpoint does not know."""
    same_metrics: bool
    same_weights: bool
    same_answers: bool


def kill_and_resume(place: Path, *, kills: int) -> KillFigures:
    """Train once without and once with kills, both in fresh folders below `place`; compare what comes out."""
    epochs = (_MOST_EPOCHS_BETWEEN_KILLS + 1) * kills + 5
    write_synthetic_dataset(place / "data", per_class=10, size_px=64, seed=0)
    whole, killed = RunFolder(place / "whole"), RunFolder(place / "killed")
    for folder in (whole, killed):
        config = RunConfig(
            experiment="kills", model="simple_cnn", image_size_px=32, epochs=epochs, batch_size=16, device="cpu"
        )
        folder.create(config, DataFolders(dataset=place / "data"))
    chance = random.Random(0)
    while_writing = damaged = lost = done = 0
    with _fork_server(place) as server:
        server.train(whole.path)
        server.wait()
        epoch_seconds = median(row.seconds for row in whole.read_metrics())
        while done < kills:
            pid = server.train(killed.path)
            if not _wait_for_the_moment(killed, chance, epoch_seconds, aimed=done % 2 == 1):
                raise RuntimeError("the run finished before all kills were done")
            os.kill(pid, signal.SIGKILL)
            server.wait()
            done += 1
            while_writing += bool(_half_written(killed))
            try:
                lost += max(0, _epochs_logged(killed) - _epochs_kept(killed))
            except RunFolderError:
                damaged += 1
        server.train(killed.path)
        server.wait()
    return KillFigures(
        kills=done,
        while_writing=while_writing,
        damaged_checkpoints=damaged,
        lost_epochs=lost,
        same_metrics=_metrics(whole) == _metrics(killed) and len(_metrics(whole)) == epochs,
        same_weights=whole.best.read_bytes() == killed.best.read_bytes(),
        same_answers=whole.predictions.read_bytes() == killed.predictions.read_bytes(),
    )


def killed_runs(kills: int) -> Tally:
    """Return what the kills did, as the other attacks count it."""
    with tempfile.TemporaryDirectory() as place:
        figures = kill_and_resume(Path(place), kills=kills)
    tally = Tally(name="kills at random, half of them while a file is written")
    tally.held = figures.kills - figures.damaged_checkpoints - figures.lost_epochs
    tally.lost += ["a checkpoint cannot be loaded"] * figures.damaged_checkpoints
    tally.lost += ["a finished epoch is lost"] * figures.lost_epochs
    same = {"metrics": figures.same_metrics, "weights": figures.same_weights, "answers": figures.same_answers}
    tally.wrong += [f"other {what} than a run that nobody killed" for what, is_same in same.items() if not is_same]
    return tally


class _ForkServer:
    """A process that has imported everything and forks a training on demand: no second is spent on imports."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def train(self, folder: Path) -> int:
        """Start or resume the run in a folder; return the process's number."""
        assert self._process.stdin is not None
        print(folder, file=self._process.stdin, flush=True)
        return int(self._answer())

    def wait(self) -> None:
        """Wait until the training has ended, however it did."""
        assert self._answer() == "ended"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def _fork_server(place: Path) -> Iterator[_ForkServer]:
    command = [sys.executable, "-m", "benchmarks.robustness.kill_and_resume", "--fork-server"]
    environment = {**os.environ, "BLOODCELL_HOME": str(place / "home")}
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield _ForkServer(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve_forks() -> None:
    # Imported and not yet used: no thread of torch's exists that a fork would lose. Optimizers import the last.
    import torch._dynamo  # noqa: F401

    from bloodcell.training.train_run import TrainingWatch, resume_run

    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            folder = RunFolder(Path(line.strip()))
            resume_run(
                folder, TrainingWatch(report=lambda status: None, progress=lambda *_: None, should_stop=lambda: False)
            )
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)


def _wait_for_the_moment(run: RunFolder, chance: random.Random, epoch_seconds: float, *, aimed: bool) -> bool:
    """Wait for a random moment, or for one in which a file is written; return whether the run still trains.

    Two epochs go by at most, so that the number of kills bounds the epochs that they need.
    """
    deadline = time.monotonic() + chance.uniform(0, _MOST_EPOCHS_BETWEEN_KILLS * epoch_seconds)
    passed, to_pass, was_writing = 0, chance.randrange(_MOST_WRITES_PASSED), False
    started_with = _rows_written(run)
    while not run.outcome.exists():
        if _rows_written(run) - started_with >= _MOST_EPOCHS_BETWEEN_KILLS:
            return True
        is_writing = bool(_half_written(run))
        passed += was_writing and not is_writing
        was_writing = is_writing
        if (is_writing and passed >= to_pass) if aimed else time.monotonic() > deadline:
            return True
    return False


def _rows_written(run: RunFolder) -> int:
    return run.metrics.read_bytes().count(b"\n") if run.metrics.exists() else 0


def _half_written(run: RunFolder) -> list[Path]:
    return [path for path in run.path.glob(".*") if path.name != ".lock"]


def _epochs_logged(run: RunFolder) -> int:
    text = run.log.read_text() if run.log.exists() else ""
    return max((int(epoch) for epoch in re.findall(r"epoch (\d+) of \d+: loss", text)), default=0)


def _epochs_kept(run: RunFolder) -> int:
    from bloodcell.runs.checkpoint import load_checkpoint

    return load_checkpoint(run)[0].epoch if run.checkpoint.exists() else 0


def _metrics(run: RunFolder) -> list[dict[str, object]]:
    from dataclasses import asdict

    return [{key: value for key, value in asdict(row).items() if key not in _TIMINGS} for row in run.read_metrics()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fork-server", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fork_server:
        return _serve_forks()
    with tempfile.TemporaryDirectory() as place:
        figures = kill_and_resume(Path(place), kills=options.kills)
    rows = [
        ("kills", "while a file was written", "damaged checkpoints", "finished epochs lost"),
        tuple(
            str(value)
            for value in (figures.kills, figures.while_writing, figures.damaged_checkpoints, figures.lost_epochs)
        ),
    ]
    same = {True: "equal", False: "NOT equal"}
    write_section(
        "kill_and_resume",
        f"## Kill and resume\n\n{machine_line()} · simple CNN, 32 px, 64 drawn cells per epoch\n\n"
        f"{table(rows)}\n\nNext to a run that nobody killed: metrics {same[figures.same_metrics]}, best weights "
        f"{same[figures.same_weights]}, validation answers {same[figures.same_answers]}, to the last bit.\n",
    )


if __name__ == "__main__":
    main()
