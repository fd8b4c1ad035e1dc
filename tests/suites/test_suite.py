from pathlib import Path

import pytest

from bloodcell.config import RunConfig, differing_settings
from bloodcell.errors import RunFolderError, UnknownName
from bloodcell.experiments import experiment_config
from bloodcell.suites.arms import ARM_KINDS, FURTHER_ARMS, PAPER_ARMS, ArmKind
from bloodcell.suites.suite import SUITES, Suite, SuiteFolder, build_suite


def suite_of(name: str, **changes: object) -> Suite:
    return build_suite(name, data_folder=Path("data"), **changes)  # type: ignore[arg-type]


def differences(first: RunConfig, second: RunConfig) -> set[str]:
    """Names of the settings that differ; epochs are compared apart, since the paper gives the main model more."""
    return differing_settings(first, second) - {"experiment", "epochs"}


@pytest.mark.parametrize("suite_name", SUITES)
@pytest.mark.parametrize("kind", [kind for kind in ARM_KINDS.values() if kind.base], ids=lambda kind: kind.name)
def test_an_arm_differs_from_its_base_in_one_setting_or_says_two_in_its_name(kind: ArmKind, suite_name: str) -> None:
    suite = suite_of(suite_name, arms=[kind.name])
    assert kind.base is not None
    changed = differences(suite.arm(kind.base).config, suite.arm(kind.name).config)
    assert len(changed) == kind.name.count("_and_") + 1


@pytest.mark.parametrize("kind", FURTHER_ARMS, ids=lambda kind: kind.name)
def test_a_further_arm_has_the_epochs_of_the_ablations(kind: ArmKind) -> None:
    assert suite_of("paper", arms=[kind.name]).arm(kind.name).config.epochs == 40


def test_the_paper_suite_is_the_papers_experiments_unchanged() -> None:
    suite = suite_of("paper")
    assert [arm.config for arm in suite.arms] == [experiment_config(kind.experiment) for kind in PAPER_ARMS]
    assert {arm.name: arm.config.epochs for arm in suite.arms}["unet_encoder"] == 60


def test_the_quick_suite_changes_size_epochs_and_speed_alone() -> None:
    for arm in suite_of("quick").arms:
        changed = differences(experiment_config(arm.config.experiment), arm.config)
        assert changed == {"image_size_px", "precision", "memory_format"}
        assert (arm.config.image_size_px, arm.config.epochs, arm.config.field_of_view) == (80, 8, 1.0)


def test_the_smoke_suite_reads_400_images() -> None:
    assert {arm.config.images_per_class for arm in suite_of("smoke").arms} == {50}


def test_runs_come_seed_by_seed_so_that_early_results_cover_all_arms() -> None:
    suite = suite_of("quick", seeds=(4, 2))
    names = [kind.name for kind in PAPER_ARMS]
    assert [(arm.name, seed) for arm, seed in suite.planned_runs()] == [
        (name, seed) for seed in (4, 2) for name in names
    ]


def test_all_arms_share_one_split() -> None:
    suite = suite_of("quick", split_seed=7)
    shared = {(arm.config.split_seed, arm.config.validation_share, arm.config.images_per_class) for arm in suite.arms}
    assert shared == {(7, 0.2, None)}


def test_what_an_arm_is_compared_with_joins_the_suite() -> None:
    names = [arm.name for arm in suite_of("quick", arms=["he_initialisation_and_learning_rate_3e-4"]).arms]
    assert names == ["unet_encoder", "no_batch_norm", "he_initialisation_and_learning_rate_3e-4"]


def test_any_setting_and_its_value_are_an_arm() -> None:
    suite = suite_of("quick", arms=["model.dropout=0.3", "model.first_normalisation=instance", "no_dropout"])
    assert [arm.name for arm in suite.arms] == [
        *("unet_encoder", "no_dropout", "model.dropout=0.3", "model.first_normalisation=instance")
    ]
    base = suite.arm("unet_encoder").config
    assert differences(base, suite.arm("model.dropout=0.3").config) == {"model.dropout"}
    assert suite.arm("model.dropout=0.3").config.settings()["model.dropout"] == 0.3
    assert suite.arm("model.first_normalisation=instance").title == "First normalisation instance"
    assert Suite.from_dict(suite.to_dict()) == suite


@pytest.mark.parametrize("name", ["dropout=0.3", "model.dropout=", "model.dropout=../x", "model.dropout", "seed=3"])
def test_what_is_no_setting_is_no_arm(name: str) -> None:
    with pytest.raises(UnknownName, match=r"model\.dropout=0\.3"):
        suite_of("quick", arms=[name])


def test_a_setting_cannot_have_any_value() -> None:
    with pytest.raises(ValueError, match=r"model\.dropout is 2"):
        suite_of("quick", arms=["model.dropout=2"])


def test_a_suite_survives_its_file(tmp_path: Path) -> None:
    suite = suite_of("quick", seeds=(0, 1), test_folders=[Path("tests"), Path("docs")])
    folder = SuiteFolder(tmp_path / "suite")
    folder.create(suite)
    assert folder.read() == suite


def test_a_suite_of_version_0_1_names_its_one_test_folder() -> None:
    values = suite_of("quick").to_dict()
    del values["test_folders"], values["seen_test_images"]
    assert Suite.from_dict({**values, "test_folder": "tests"}).test_folders == ("tests",)
    assert Suite.from_dict({**values, "test_folder": None}).test_folders == ()


def test_a_second_suite_does_not_overwrite_a_first(tmp_path: Path) -> None:
    SuiteFolder(tmp_path).create(suite_of("quick"))
    with pytest.raises(RunFolderError, match="already holds a suite"):
        SuiteFolder(tmp_path).create(suite_of("smoke"))
    assert SuiteFolder(tmp_path).read().name == "quick"


def test_a_damaged_suite_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text("{}")
    with pytest.raises(RunFolderError, match="damaged"):
        SuiteFolder(tmp_path).read()


@pytest.mark.parametrize("given", [{"name": "huge"}, {"name": "quick", "arms": ["nothing"]}])
def test_an_unknown_name_lists_those_there_are(given: dict[str, object]) -> None:
    with pytest.raises(UnknownName, match=r"paper|unet_encoder"):
        suite_of(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_are_given_and_given_once(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="seeds"):
        suite_of("quick", seeds=seeds)
