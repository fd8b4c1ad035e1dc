"""What happens to a laboratory's computer: data vanish, disks fill, clocks jump, hands edit files."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from benchmarks.robustness.attack import Tally
from bloodcell.config import RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.errors import BloodcellError, RunFolderError
from bloodcell.jobs import delete_run, read_job, stop_job
from bloodcell.paths import runs_folder
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.train_run import TrainingWatch, resume_run, start_run

_ROOT = Path(__file__).resolve().parents[2]
_PAGES = ("classify", "dataset", "train", "ablation", "results", "models")
_DAY = 86_400.0


def _config(epochs: int = 1) -> RunConfig:
    return RunConfig(
        experiment="strange", model="simple_cnn", image_size_px=32, epochs=epochs, batch_size=64, device="cpu"
    )


def lost_data(images: int, times: int) -> Tally:
    """Move a dataset away while its images are checked, empty one class, cut a few files; then bring all back."""
    tally = Tally(name=f"datasets of {images:,} images that vanish or are emptied")
    chance = random.Random(0)
    with _home() as place:
        data, away = place / "data", place / "away"
        write_synthetic_dataset(data, per_class=images // 8, size_px=64, seed=0)
        for number in range(times):
            run, at = RunFolder(place / f"run-{number}"), chance.randrange(1, images)

            def vanish(what: str, done: int, total: int, at: int = at) -> None:
                if what == "checking images" and done >= at and data.exists():
                    data.rename(away)

            tally.try_one(
                f"vanished at {at}", lambda run=run, vanish=vanish: start_run(_config(), data, run, _watch(vanish))
            )
            if run.split.exists():
                tally.wrong.append(f"vanished at {at}: a split was written")
            if away.exists():
                away.rename(data)
            tally.try_one(f"came back after {at}", lambda run=run: _trains_on(run, images))
        emptied = place / "emptied"
        shutil.copytree(data, emptied)
        for path in (emptied / "neutrophil").iterdir():
            path.write_bytes(b"")
        run = RunFolder(place / "emptied-class")
        tally.try_one("a class of empty files", lambda: not start_run(_config(), emptied, run, _watch()))
    return tally


def _trains_on(run: RunFolder, images: int) -> bool:
    return resume_run(run, _watch()) and len(run.read_split().all_training) + len(run.read_split().validation) == images


def full_disk(sizes_mb: tuple[float, ...]) -> Tally:
    """Train on small disks of memory until each is full; give room, and go on. Needs the right to mount."""
    tally = Tally(name=f"full disks of {min(sizes_mb)} to {max(sizes_mb)} MB")
    for size in sizes_mb:
        with _home() as place, _small_disk(place / "disk", size) as disk:
            write_synthetic_dataset(place / "data", per_class=8, size_px=64, seed=0)
            run, told = RunFolder(disk / "run"), ""
            filler = disk / "other"
            filler.write_bytes(bytes(int(size * 250_000)))
            try:
                start_run(_config(60), place / "data", run, _watch())
            except BloodcellError as error:
                told, tally.refused = str(error), tally.refused + 1
            except Exception as error:
                tally.foreign.append(f"{size} MB: {error!r}")
            if told and "disk full" not in told:
                tally.wrong.append(f"{size} MB: {told}")
            kept = len(run.read_metrics()) if run.metrics.exists() else 0
            filler.unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            if not run.config.exists():
                continue
            tally.try_one(f"{size} MB, room again", lambda run=run: resume_run(run, _watch()))
            if len(run.read_metrics()) != 60 or kept > 60:
                tally.lost.append(f"{size} MB: {len(run.read_metrics())} epochs")
    return tally


@contextlib.contextmanager
def _small_disk(folder: Path, megabytes: float) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1000)}k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def clock_steps() -> Tally:
    """Let the clock jump while a run trains: it counts as running, is not deleted, stops when asked, and is then."""
    steps = (-400 * _DAY, -_DAY, -3700.0, 3700.0, _DAY, 400 * _DAY)
    tally = Tally(name="steps of the clock, an hour to 400 days")
    real = time.time
    for step in steps:
        with _home() as place:
            write_synthetic_dataset(place / "data", per_class=8, size_px=64, seed=0)
            run = RunFolder(runs_folder() / "run")
            run.create(_config(10_000), DataFolders(dataset=place / "data"))
            command = [sys.executable, "-m", "bloodcell", "train", "--run-dir", run.path, "--resume"]
            with subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
                while not run.metrics.exists():
                    time.sleep(0.05)
                with mock.patch("time.time", lambda step=step: real() + step):
                    tally.try_one(f"{step / _DAY:+.2f} days", lambda run=run, process=process: _obeys(run, process))
                process.kill()
    return tally


def _obeys(run: RunFolder, process: "subprocess.Popen[bytes]") -> bool:
    job = read_job(run.path)
    is_right = job.state == "running" and job.silent_seconds is not None and 0 <= job.silent_seconds < 60
    with contextlib.suppress(RunFolderError):
        delete_run(run.path)
        return False
    stop_job(run.path)
    process.wait(timeout=120)
    is_right &= read_job(run.path).state == "stopped"
    delete_run(run.path)
    return is_right and not run.path.exists()


def edited_home() -> Tally:
    """Open every page, and choose all that it offers, on a home whose files were edited by hand."""
    from streamlit.testing.v1 import AppTest

    from tests.builders.damaged_home import write_damaged_home

    with _home() as place:
        damaged = write_damaged_home(place / "drawn")
        tally = Tally(name=f"pages on a home with {damaged} damaged runs and more")
        for name in _PAGES:
            page = AppTest.from_file(str(_ROOT / "app.py"), default_timeout=600).run()
            tally.try_one(name, lambda name=name, page=page: not page.switch_page(f"pages/{name}.py").run().exception)
            for key in [box.key for box in page.selectbox]:
                for option in page.selectbox(key=key).options:
                    tally.try_one(
                        f"{name}, {key}, {option}",
                        lambda page=page, key=key, option=option: (
                            not page.selectbox(key=key).set_value(option).run().exception
                        ),
                    )
    return tally


def _watch(progress: object = None) -> TrainingWatch:
    return TrainingWatch(
        report=lambda status: None,
        progress=progress if callable(progress) else lambda *_: None,
        should_stop=threading.Event().is_set,
    )


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """A place that is thrown away, with a home of its own."""
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, {"BLOODCELL_HOME": f"{place}/home"}):
        os.environ.pop("BLOODCELL_DATA", None)
        yield Path(place)
