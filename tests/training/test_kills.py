from pathlib import Path

import pytest

from benchmarks.robustness.kill_and_resume import kill_and_resume


@pytest.mark.slow
def test_20_kills_damage_no_checkpoint_lose_no_finished_epoch_and_change_no_result(tmp_path: Path) -> None:
    figures = kill_and_resume(tmp_path, kills=20)
    assert figures.kills == 20
    assert figures.while_writing >= 5
    assert figures.damaged_checkpoints == 0
    assert figures.lost_epochs == 0
    assert (figures.same_metrics, figures.same_weights, figures.same_answers) == (True, True, True)
