import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from bloodcell.models.registry import build_model
from bloodcell.training.optimizer import Muon, Optimization, one_cycle_factor, orthogonalised
from tests.conftest import quick_config


@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (32, 2, 3, 3), (16, 16)])
def test_an_orthogonalised_update_has_singular_values_near_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    matrix = orthogonalised(torch.randn(shape), iterations=8)
    assert matrix.shape == shape
    values = torch.linalg.svdvals(matrix.flatten(1))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_muon_keeps_the_norm_of_filters() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 16, 3, bias=False)
    optimizer = Muon(layer.parameters(), learning_rate=0.01)
    for _ in range(5):
        layer(torch.randn(4, 8, 8, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert layer.weight.norm().item() == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_every_parameter_is_moved(optimizer: str) -> None:
    torch.manual_seed(0)
    model = build_model("deep_cnn")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    config = quick_config(model="deep_cnn", optimizer=optimizer)
    optimization = Optimization(model, config, total_steps=10)
    nn.functional.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8)).backward()
    optimization.step()
    assert [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])] == []


def test_the_plateau_rule_is_torchs() -> None:
    generator = np.random.default_rng(0)
    losses = np.concatenate([np.linspace(2, 1, 10), 1 + 0.01 * generator.random(40), np.linspace(1, 0.99995, 10)])
    optimization = Optimization(build_model("simple_cnn"), quick_config(plateau_patience=3), total_steps=1)
    reference = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(reference, factor=0.5, patience=3)
    for loss in losses:
        scheduler.step(loss)
        optimization.end_epoch(float(loss))
        assert optimization.factor == reference.param_groups[0]["lr"]
    assert optimization.factor < 0.1


def test_one_cycle_rises_to_the_peak_and_falls_to_zero() -> None:
    factors = [one_cycle_factor(progress, 0.2) for progress in np.linspace(0, 1, 101)]
    assert max(factors) == pytest.approx(1)
    assert int(np.argmax(factors)) == 20
    assert factors[-1] == pytest.approx(0, abs=1e-9)
    assert factors[0] > 0
    assert all(np.diff(factors[:21]) > 0)
    assert all(np.diff(factors[20:]) < 0)
