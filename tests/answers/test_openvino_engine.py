import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.engine_choice import chosen_engine
from bloodcell.answers.engines import TorchEngine
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.errors import EngineUnavailable
from bloodcell.images.model_input import as_images, model_input
from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.runs.run_folder import RunFolder
from tests.answers.computing import needs_bf16, needs_openvino
from tests.answers.pictures import encoded
from tests.answers.test_folded import used_model
from tests.conftest import REPOSITORY
from tests.shell import assert_is_a_sentence, bloodcell, rows_of

CPU = torch.device("cpu")


def pictures() -> list[np.ndarray]:
    """Drawn cells, noise and blank glass: most are refused, for either reason."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8)
    blank = np.full((64, 64, 3), 230, dtype=np.uint8)
    return [draw_cell(label, seed=seed, size_px=200) for seed in range(3) for label in range(8)] + [noise, blank]


def both(precision: str) -> tuple[Classifier, Classifier]:
    """The weights that ship, answering with torch and with OpenVINO."""
    with_torch, with_openvino = (
        Classifier.load("unet_encoder", device="cpu", precision=precision, engine=engine)  # type: ignore[arg-type]
        for engine in ("torch", "openvino")
    )
    return with_torch, with_openvino


@needs_openvino
@pytest.mark.parametrize("name", NAMED_MODELS)
def test_every_model_has_the_features_and_statistics_that_torch_computes(name: str) -> None:
    from bloodcell.answers.openvino_engine import OpenVinoEngine

    model = used_model(name)
    cells = [draw_cell(index, seed=index, size_px=64) for index in range(5)]
    images = as_images(np.stack(cells))
    scale = (IMAGENET_MEAN, IMAGENET_STD)
    reference = TorchEngine(model, pixels=scale, gate_stages=3, device=CPU, in_bf16=False)
    engine = OpenVinoEngine(model, pixels=scale, image_size_px=64, gate_stages=3, in_bf16=False)
    with torch.no_grad():
        features, statistics = engine.features(images)
        wanted_features, wanted_statistics = reference.features(images)
        torch.testing.assert_close(features, wanted_features, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(statistics, wanted_statistics, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(engine.head.forward_head(features), model(model_input(images)), atol=1e-4, rtol=1e-4)


@needs_openvino
def test_classes_refusals_probabilities_and_heat_maps_are_those_of_torch() -> None:
    with_torch, with_openvino = both("fp32")
    rows, others = with_torch.rows(pictures()), with_openvino.rows(pictures())
    assert "refused" in {row.status for row in rows}
    assert [(row.status, row.reason, row.predicted) for row in others] == [
        (row.status, row.reason, row.predicted) for row in rows
    ]
    probabilities, maps = with_torch.probabilities_and_heat_maps(pictures())
    other_probabilities, other_maps = with_openvino.probabilities_and_heat_maps(pictures())
    np.testing.assert_allclose(other_probabilities, probabilities, atol=1e-3, rtol=0)
    assert (other_probabilities.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    np.testing.assert_allclose(other_maps, maps, atol=1e-3, rtol=0)


def _without_score(reason: str) -> str:
    return re.sub(r"\(score −?[\d.]+,", "(score,", reason)


@needs_openvino
@needs_bf16
def test_in_bf16_it_comes_to_the_verdicts_of_torch() -> None:
    with_torch, with_openvino = both("bf16")
    rows, others = with_torch.rows(pictures()), with_openvino.rows(pictures())
    # Scores of what is no cell may round to another decimal.
    assert [_without_score(row.reason) for row in others] == [_without_score(row.reason) for row in rows]
    difference = np.array([row.probabilities for row in rows]) - np.array([row.probabilities for row in others])
    assert np.abs(difference).max() < 0.05


@needs_openvino
def test_its_answers_depend_neither_on_the_number_of_images_nor_on_their_order() -> None:
    classifier, images = both("fp32")[1], pictures()
    together = classifier.probabilities(images)
    np.testing.assert_allclose(classifier.probabilities(images[::-1])[::-1], together, atol=1e-5)
    for size in (1, 3):
        parts = [classifier.probabilities(images[start : start + size]) for start in range(0, len(images), size)]
        np.testing.assert_allclose(np.concatenate(parts), together, atol=1e-5)


class FailsOnce:
    """A request that fails when it is started, or when it is waited for; then it is as it was."""

    def __init__(self, request: Any, method: str) -> None:
        self._request, self._method = request, method

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._request, name)
        if name != self._method:
            return method

        def failing(*arguments: object, **settings: object) -> None:
            method(*arguments, **settings)
            self._method = ""
            raise RuntimeError("out of memory")

        return failing


@needs_openvino
@pytest.mark.parametrize("method", ["start_async", "wait"])
def test_after_an_error_it_answers_again(method: str) -> None:
    engine = both("fp32")[1]._own.engine
    images = as_images(np.stack([draw_cell(index % 8, seed=index, size_px=192) for index in range(9)]))
    before, _ = engine.features(images)
    engine._requests[1] = FailsOnce(engine._requests[1], method)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="out of memory"):
        engine.features(images)
    again, _ = engine.features(images)
    torch.testing.assert_close(again, before)


@needs_openvino
def test_classify_writes_the_same_answers_with_either_engine(finished_run: RunFolder, tmp_path: Path) -> None:
    for label in range(3):
        (tmp_path / f"{label}.png").write_bytes(encoded(label))
    for engine in ("torch", "openvino"):
        arguments = (tmp_path, "--weights", finished_run.best, "--csv", tmp_path / f"{engine}.csv", "--device", "cpu")
        result = bloodcell("classify", *arguments, "--engine", engine)
        assert result.returncode == 0, result.stderr
    rows, others = rows_of(tmp_path / "torch.csv"), rows_of(tmp_path / "openvino.csv")
    assert ({row["engine"] for row in rows}, {row["engine"] for row in others}) == ({"torch"}, {"openvino"})
    assert {row["answer_sha256"] for row in rows if row["precision"] == others[0]["precision"]} <= {
        others[0]["answer_sha256"]
    }
    assert [row["predicted"] for row in rows] == [row["predicted"] for row in others]
    assert [float(row["confidence"]) for row in rows] == pytest.approx(
        [float(row["confidence"]) for row in others], abs=1e-3
    )


@needs_openvino
def test_it_loads_without_the_package_that_reports_its_use() -> None:
    code = (
        "import sys; from bloodcell.answers.openvino_engine import import_openvino; import_openvino();"
        "assert 'openvino' in sys.modules;"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry') and sys.modules[name]]"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_torch_answers_without_touching_openvino() -> None:
    code = (
        "import sys; sys.modules['openvino'] = None;"
        "from bloodcell.answers.classifier import Classifier;"
        "Classifier.load('simple_cnn', device='cpu'); Classifier.load('simple_cnn', device='cpu', engine='auto')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@needs_openvino
def test_auto_takes_openvino_where_it_is_installed() -> None:
    from bloodcell.answers.openvino_engine import OpenVinoEngine

    classifier = Classifier.load("simple_cnn", device="cpu", engine="auto")
    assert isinstance(classifier._own.engine, OpenVinoEngine)


def test_where_it_is_not_installed_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineUnavailable, match=r"not installed.*pip install -r requirements-openvino\.txt"):
        Classifier.load("simple_cnn", device="cpu", engine="openvino")


def test_it_is_not_asked_to_answer_on_a_gpu() -> None:
    with pytest.raises(EngineUnavailable, match="on the processor"):
        Classifier.load("simple_cnn", device="cuda", engine="openvino")


def test_the_environment_names_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOODCELL_ENGINE", raising=False)
    assert chosen_engine() == "torch"
    monkeypatch.setenv("BLOODCELL_ENGINE", "openvino")
    assert chosen_engine() == "openvino"


def test_an_engine_that_nobody_knows_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    arguments = ("classify", tmp_path / "cell.png", "--csv", tmp_path / "out.csv")
    result = bloodcell(*arguments, BLOODCELL_ENGINE="abacus")
    assert_is_a_sentence(result, status=1)
    assert "'abacus'" in result.stderr
