import json

import pytest

from bloodcell.config import RunConfig, differing_settings
from bloodcell.experiments import experiment_config
from bloodcell.model_settings import NAMED_MODELS, DeepCNNSettings, UNetEncoderSettings, model_settings

BASE = experiment_config("paper_ablation_base")


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_a_model_with_a_name_is_written_by_it_as_in_older_files(name: str) -> None:
    settings = NAMED_MODELS[name]
    assert settings.to_plain() == str(settings) == name
    assert model_settings(name) == settings


def test_settings_without_a_name_are_written_in_full_and_read_again() -> None:
    config = BASE.changed(**{"model.dropout": 0.3, "model.first_normalisation": "instance"})
    assert str(config.model) == "unet_encoder with first_normalisation instance, dropout 0.3"
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_one_setting_of_the_network_is_one_difference() -> None:
    assert differing_settings(BASE, BASE.changed(**{"model.dropout": 0.3})) == {"model.dropout"}


def test_another_family_is_one_difference() -> None:
    assert differing_settings(BASE, BASE.changed(model=DeepCNNSettings())) == {"model"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("unet", "model"),
        (3, "model"),
        ({"family": "resnet"}, "model.family"),
        ({"family": ["unet_encoder"]}, "model.family"),
        ({"family": "unet_encoder", "width": 20}, "model.width"),
        ({"family": "unet_encoder", "depth": 6}, "model.depth"),
        ({"family": "unet_encoder", "dropout": 1.0}, "model.dropout"),
        ({"family": "unet_encoder", "normalisation": "layer"}, "model.normalisation"),
        ({"family": "unet_encoder", "first_normalisation": 1}, "model.first_normalisation"),
        ({"family": "simple_cnn", "dropout": 0.5}, "model.dropout"),
    ],
)
def test_settings_that_mean_no_network_are_refused_by_name(settings: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        model_settings(settings)


def test_a_setting_that_the_network_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"model\.stages"):
        BASE.changed(**{"model.stages": 3})


def test_the_defaults_are_the_papers() -> None:
    assert UNetEncoderSettings().changes() == {}
