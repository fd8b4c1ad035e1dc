import pytest

from bloodcell.cell_classes import CLASS_KEYS, class_index_of_folder
from bloodcell.config import RunConfig, differing_settings
from bloodcell.errors import UnknownName
from bloodcell.experiments import EXPERIMENTS, experiment_config
from bloodcell.model_settings import NAMED_MODELS


def differences(first: RunConfig, second: RunConfig) -> set[str]:
    return differing_settings(first, second) - {"experiment"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_names_itself_and_a_model_that_exists(name: str) -> None:
    config = experiment_config(name)
    assert config.experiment == name
    assert config.model in NAMED_MODELS.values()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_config_survives_a_round_trip(name: str) -> None:
    config = experiment_config(name)
    assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("paper_no_batch_norm", "model.normalisation"),
        ("paper_shallow_encoder", "model.depth"),
        ("paper_no_dropout", "model.dropout"),
    ],
)
def test_an_ablation_differs_from_its_base_in_exactly_one_setting(name: str, setting: str) -> None:
    assert differences(experiment_config("paper_ablation_base"), experiment_config(name)) == {setting}


def test_the_ablation_base_is_the_main_experiment_with_the_ablations_epochs() -> None:
    assert differences(experiment_config("paper_unet_encoder"), experiment_config("paper_ablation_base")) == {"epochs"}


def test_the_papers_recipe_is_what_the_paper_says() -> None:
    config = experiment_config("paper_unet_encoder")
    said = {
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "batch_size": 32,
        "label_smoothing": 0.1,
        "schedule": "plateau",
        "image_size_px": 256,
        "field_of_view": 1.0,
        "epochs": 60,
        "precision": "fp32",
        "exact_batch_norm": False,
        "validation_share": 0.2,
    }
    assert {key: config.to_dict()[key] for key in said} == said


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("image_size_px", 8),
        ("image_size_px", 4096),
        ("first_image_size_px", 300),
        ("field_of_view", 0.0),
        ("field_of_view", 1.5),
        ("learning_rate", 0),
        ("label_smoothing", 1.0),
        ("optimizer", "sgd"),
        ("seed", -1),
        ("validation_share", 1.0),
        ("model", 3),
        ("images_per_class", 4),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    values = {**experiment_config("paper_unet_encoder").to_dict(), field: value}
    with pytest.raises(ValueError, match=field):
        RunConfig.from_dict(values)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        RunConfig.from_dict({**experiment_config("paper_unet_encoder").to_dict(), "colour": 1})


def test_a_missing_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="model"):
        RunConfig.from_dict({"experiment": "x"})


def test_an_unknown_experiment_lists_those_there_are() -> None:
    with pytest.raises(UnknownName, match="paper_unet_encoder"):
        experiment_config("nothing")


def test_the_training_size_grows_and_ends_at_the_full_size() -> None:
    config = experiment_config("paper_unet_encoder").changed(epochs=12, image_size_px=128, first_image_size_px=64)
    sizes = [config.image_size_at(epoch) for epoch in range(12)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 64
    assert sizes[9:] == [128, 128, 128]


def test_without_a_first_size_every_epoch_has_the_full_size() -> None:
    config = experiment_config("paper_unet_encoder")
    assert {config.image_size_at(epoch) for epoch in range(config.epochs)} == {256}


def test_the_sources_folder_names_and_ours_mean_the_same_classes() -> None:
    source_names = ["basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet"]
    assert [class_index_of_folder(name) for name in source_names] == list(range(8))
    assert [class_index_of_folder(key) for key in CLASS_KEYS] == list(range(8))


def test_folder_names_are_read_without_regard_to_case_and_blanks() -> None:
    assert class_index_of_folder(" Immature Granulocyte ") == CLASS_KEYS.index("immature_granulocyte")


def test_a_foreign_folder_name_means_no_class() -> None:
    assert class_index_of_folder("photographs") is None
