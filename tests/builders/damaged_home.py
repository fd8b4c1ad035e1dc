"""A home in which every kind of file is damaged in every way that hands and other programs have."""

import json
import shutil
from pathlib import Path

from bloodcell.experiments import experiment_config
from bloodcell.jobs.queue import queue_folder
from bloodcell.paths import SHIPPED_WEIGHTS, home_folder, published_weights, runs_folder, suites_folder
from bloodcell.processes.process_identity import current_process
from tests.builders.drawn_records import write_drawn_record, write_drawn_suite

DEEP = b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "cut": b'{"state": "fin',
    "binary": b"\xff\xd8\xff\0\0",
    "deep": DEEP,
    "huge": b'{"reason": "' + b"x" * 2_000_000 + b'"}',
    "nan": b'{"state": NaN}',
}
"""What no file of the home may hold, whichever it is."""


def changed(file: Path, **changes: object) -> bytes:
    """Return a JSON file with entries changed; `config__epochs` means an entry of an entry."""
    values = json.loads(file.read_bytes())
    for name, value in changes.items():
        inner = values
        *outer, last = name.split("__")
        for part in outer:
            inner = inner[part]
        inner[last] = value
    return json.dumps(values).encode()


STATUS = {"epoch": 2, "epochs": 8, "step": 3, "steps": 9, "images_per_second": 40.0, "eta_seconds": 60.0}
STATUS_CHANGES: list[dict[str, object]] = [
    {"pid": 10**400},
    {"pid": -1},
    {"pid": "1"},
    {"epochs": 0},
    {"epoch": 9},
    {"steps": 0},
    {"step": 1e300},
    {"eta_seconds": -5},
    {"eta_seconds": "soon"},
    {"images_per_second": None},
    {"images_per_second": float("inf")},
    {"activity": ["a"]},
    {"heartbeat_monotonic": "now"},
    {"heartbeat_monotonic": 1e308},
    {"boot_id": 5},
]
CONFIG_CHANGES: list[dict[str, object]] = [
    {"config": []},
    {"config": None},
    {"config__epochs": 0},
    {"config__epochs": 1e30},
    {"config__epochs": 10**9},
    {"config__seed": 10**40},
    {"config__seed": -1},
    {"config__learning_rate": float("nan")},
    {"config__image_size_px": "256"},
    {"config__model": {"family": []}},
    {"config__model": 3},
    {"data_folder": 3},
    {"data_folder": "\0"},
    {"more_training_folder": []},
]
CARD_CHANGES: list[dict[str, object]] = [
    {"metrics": {}},
    {"metrics": {"validation": None}},
    {"metrics": {"validation": {"accuracy": "high", "n": 3}}},
    {"metrics__validation__n": 0},
    {"metrics__validation__accuracy": 7.0},
    {"metrics__validation__accuracy_interval": [0.5]},
    {"metrics__validation__confusion": [[1]]},
    {"training_data": {}},
    {"recipe": {}},
    {"recipe": {"epochs": "many"}},
    {"temperature": 0},
    {"review_threshold": 2},
    {"name": "../../escape"},
    {"hardware": 5},
]
OUTCOME_CHANGES: list[dict[str, object]] = [
    {"state": "finishing"},
    {"state": ["finished"]},
    {"reason": None},
    {"ended": "yesterday"},
]
SUITE_CHANGES: list[dict[str, object]] = [
    {"arms": []},
    {"arms": 5},
    {"seeds": []},
    {"seeds": ["x"]},
    {"seeds": 3},
    {"name": None},
    {"test_folders": 7},
    {"format_version": "1"},
    {"data_folder": None},
]


def write_damaged_home(drawn: Path) -> int:
    """Fill the home with damaged runs, suites, weights, evaluations and queue entries; return the number of runs.

    Args:
        drawn: where a sound run and a sound suite are written, to be copied and damaged.
    """
    config = experiment_config("fast_unet_encoder").changed(epochs=3, device="cpu")
    write_drawn_record(drawn / "run", config, images=24)
    status = {**current_process().to_dict(), "heartbeat": 1.0, "heartbeat_monotonic": 5.0, **STATUS}
    (drawn / "run/status.json").write_text(json.dumps(status))
    write_drawn_suite(drawn / "suite", seeds=1, images=24)
    published_weights().mkdir(parents=True, exist_ok=True)
    damage_suites(drawn / "suite")
    damage_the_rest()
    return damage_runs(drawn / "run")


def damage_runs(run: Path) -> int:
    """Put a run with one damaged file after another into the home; return their number."""
    kinds = {
        "status.json": STATUS_CHANGES,
        "config.json": CONFIG_CHANGES,
        "best.json": CARD_CHANGES,
        "outcome.json": OUTCOME_CHANGES,
    }
    contents: list[tuple[str, bytes]] = []
    for name, changes in kinds.items():
        contents += [(name, changed(run / name, **change)) for change in changes]
        contents += [(name, data) for data in NOT_JSON.values()]
    for name in ("metrics.csv", "predictions_validation.csv", "images.json", "split.csv"):
        contents += [(name, data) for data in NOT_JSON.values()]
    contents += [("metrics.csv", (run / "metrics.csv").read_bytes().replace(b"\r\n1,", b"\r\n1e9,", 1))]
    contents += [("metrics.csv", (run / "metrics.csv").read_bytes().replace(b"0.", b"inf", 3))]
    for number, (name, data) in enumerate(contents):
        folder = runs_folder() / f"{name.partition('.')[0]}_{number:03d}"
        shutil.copytree(run, folder)
        (folder / name).write_bytes(data)
        if name == "status.json":
            (folder / "outcome.json").unlink()
    return len(contents)


def damage_suites(suite: Path) -> None:
    contents = [changed(suite / "suite.json", **change) for change in SUITE_CHANGES] + list(NOT_JSON.values())
    for number, data in enumerate(contents):
        folder = suites_folder() / f"suite_{number:03d}"
        folder.mkdir(parents=True)
        (folder / "suite.json").write_bytes(data)
    for number, (name, data) in enumerate((name, data) for name in ("config", "outcome") for data in NOT_JSON.values()):
        folder = suites_folder() / f"inside_{number:03d}"
        shutil.copytree(suite, folder)
        (next((folder / "runs").iterdir()) / f"{name}.json").write_bytes(data)


def damage_the_rest() -> None:
    queue_folder().mkdir(parents=True)
    entry = {"id": 1, "argv": ["train"], "folder": "/x", "device": "cpu", "submitted": 1, "started": None}
    entries = [*NOT_JSON.values(), *(json.dumps({**entry, name: 10**30}).encode() for name in entry)]
    for number, data in enumerate(entries, start=1):
        (queue_folder() / f"{number:08d}.json").write_bytes(data)
    (queue_folder() / "last_id").write_bytes(b"\xff")
    for number, data in enumerate(NOT_JSON.values()):
        shutil.copy(SHIPPED_WEIGHTS / "simple_cnn.safetensors", published_weights() / f"card_{number}.safetensors")
        (published_weights() / f"card_{number}.json").write_bytes(data)
        evaluation = home_folder() / "evaluations" / f"one_{number}"
        evaluation.mkdir(parents=True)
        (evaluation / "metrics.json").write_bytes(data)
        (evaluation / "predictions.csv").write_bytes(data)
    for number, change in enumerate(CARD_CHANGES):
        if all(name.split("__")[0] != "metrics" or "__" not in name for name in change):
            shutil.copy(SHIPPED_WEIGHTS / "simple_cnn.safetensors", published_weights() / f"odd_{number}.safetensors")
            (published_weights() / f"odd_{number}.json").write_bytes(
                changed(SHIPPED_WEIGHTS / "simple_cnn.json", **change)
            )
