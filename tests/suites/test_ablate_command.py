import re
from pathlib import Path

import pytest

from bloodcell.command_line import main
from bloodcell.processes.device_lock import lock_path
from bloodcell.suites.suite import SuiteFolder
from tests.conftest import held_elsewhere
from tests.suites.drawn_suites import write_drawn_suite


@pytest.mark.parametrize(
    "arguments",
    [
        ["--suite", "smoke"],
        ["--data", "data"],
        ["--resume", "--epochs", "3"],
        ["--resume", "--suite", "smoke"],
        ["--suite", "smoke", "--data", "data", "--seeds", "0,x"],
        ["--suite", "smoke", "--data", "data", "--seeds", "-1"],
    ],
)
def test_wrong_usage_exits_with_2_and_starts_nothing(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["ablate", "--out", str(tmp_path / "out"), *arguments])
    assert end.value.code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "huge", "--data", "data"], "paper, quick, smoke"),
        (["--suite", "smoke", "--data", "data", "--arms", "dropuot"], "no_dropout"),
        (["--suite", "smoke", "--data", "data", "--seeds", "1,1"], "each must be given once"),
        (["--resume"], "There is no suite"),
    ],
)
def test_what_a_person_can_get_wrong_is_a_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", "--out", str(tmp_path / "out"), *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "runs").exists()


def test_before_it_trains_a_suite_says_which_difference_it_finds(
    drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ablate", "--suite", "smoke", "--arms", "no_dropout", "--data", str(drawn_dataset), "--device", "cpu"]
    lock_path("cpu").parent.mkdir(parents=True, exist_ok=True)
    with held_elsewhere(lock_path("cpu")):
        assert main([*arguments, "--out", str(tmp_path / "three"), "--seeds", "0,1,2"]) == 1
        many = capsys.readouterr().out
        assert main([*arguments, "--out", str(tmp_path / "one"), "--seeds", "0"]) == 1
    assert re.search(r"^Finds differences of about \d+\.\d points and more\..*3 seeds", many)
    assert "Finds" not in capsys.readouterr().out


def test_a_finished_suite_is_written_as_a_record(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = write_drawn_suite(tmp_path / "suite", arms=["no_dropout"], seeds=(0,), images=80)
    to = tmp_path / "record"
    assert (
        main(["ablate", "--out", str(folder.path), "--data", str(drawn_dataset), "--resume", "--record", str(to)]) == 0
    )
    assert SuiteFolder(to).read().name == "quick"
    assert len(list(to.glob("runs/*/best.json"))) == 2
