import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.image_cache import decode_images
from bloodcell.datasets.split import read_split
from bloodcell.errors import DatasetError, WeightsError
from bloodcell.images.model_input import normalise
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.laboratories.evaluation_report import report_text, write_evaluation
from bloodcell.measures.calibration import fit_temperature
from bloodcell.publishing.publish import half_precision_where_equal, publish, publish_gate
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights, stored_tensors
from tests.answers.pictures import encoded
from tests.conftest import quick_config, train_quietly


@pytest.fixture(scope="module")
def classifier(finished_run: RunFolder) -> Classifier:
    return Classifier.load(finished_run.best, device="cpu")


def test_figures_are_those_of_the_written_predictions(
    classifier: Classifier, drawn_dataset: Path, tmp_path: Path
) -> None:
    evaluation = evaluate(classifier, drawn_dataset)
    write_evaluation(evaluation, classifier, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_bytes())
    table = read_labelled_table(tmp_path / "predictions_evaluation.csv")
    predictions = table.probabilities.argmax(1)
    answered_by = classifier.answered_by
    assert metrics["n"] == len(table.files) == 80
    assert table.answered_by == ((answered_by.answer_sha256, answered_by.precision, answered_by.engine),)
    assert {key: metrics[key] for key in ("answer_sha256", "precision", "engine")} == asdict(answered_by)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(table.labels, predictions))
    assert metrics["macro_f1"] == pytest.approx(f1_score(table.labels, predictions, average="macro", labels=range(8)))


def test_the_report_says_accuracy_interval_and_n(classifier: Classifier, drawn_dataset: Path) -> None:
    evaluation = evaluate(classifier, drawn_dataset)
    report = report_text(evaluation, classifier)
    assert f"{evaluation.figures.correct} of 80 right" in report
    assert "95 % interval" in report
    assert classifier.answered_by.answer_sha256 in report
    assert report.count("Immature granulocyte") == 3


def test_images_that_the_weights_know_are_counted_and_told(
    classifier: Classifier, finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    known = read_split(finished_run.split).known_sha256
    seen = evaluate(classifier, drawn_dataset, known_sha256=known)
    assert seen.seen_before == seen.summary(classifier)["seen_before"] == 80
    assert "80 of these images, or copies of them, trained the weights or chose among them" in report_text(
        seen, classifier
    )
    write_synthetic_dataset(tmp_path, per_class=1, size_px=64, seed=5)
    unseen = evaluate(classifier, tmp_path, known_sha256=known)
    assert unseen.seen_before == 0
    assert "trained" not in report_text(unseen, classifier)


def test_weights_without_a_split_say_that_it_is_not_recorded(classifier: Classifier, drawn_dataset: Path) -> None:
    evaluation = evaluate(classifier, drawn_dataset)
    assert evaluation.seen_before is None
    assert "is not recorded" in report_text(evaluation, classifier)


def test_a_report_says_how_many_images_were_refused(
    classifier: Classifier, finished_run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "cells" / "ig").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cells" / "ig" / "noise.png")
    assert "no answer" not in report_text(evaluate(classifier, tmp_path / "cells"), classifier)
    publish(finished_run, "mine", to=tmp_path)
    gated = Classifier.load(tmp_path / "mine.safetensors", device="cpu")
    evaluation = evaluate(gated, tmp_path / "cells")
    assert "1 of the 1 images got no answer: no class is shown" in report_text(evaluation, gated)
    write_evaluation(evaluation, gated, tmp_path / "out")
    assert read_labelled_table(tmp_path / "out" / "predictions_evaluation.csv").has_no_class.tolist() == [True]


def test_a_class_that_does_not_occur_has_a_dash_and_does_not_lower_the_macro_f1(
    classifier: Classifier, drawn_dataset: Path, tmp_path: Path
) -> None:
    for key in ("platelet", "monocyte"):
        shutil.copytree(drawn_dataset / key, tmp_path / key)
    evaluation = evaluate(classifier, tmp_path)
    of_class = {CELL_CLASSES[one.label].key: one for one in evaluation.figures.per_class}
    assert evaluation.figures.macro_f1 == pytest.approx((of_class["platelet"].f1 + of_class["monocyte"].f1) / 2)
    lines = report_text(evaluation, classifier).splitlines()
    assert any("mean of the 2 classes that occur" in line for line in lines)
    (absent,) = (line for line in lines if line.startswith("Basophil"))
    assert absent.split() == ["Basophil", "0", "–", "–", "–"]
    assert [line.split()[2:] for line in lines if line.startswith("1 Basophil")][1] == ["–"] * 8


def test_unreadable_files_are_named_and_not_counted(classifier: Classifier, tmp_path: Path) -> None:
    for name, data in {"ig/a.png": encoded(3), "ig/b.png": b"", "platelet/c.png": encoded(7)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    evaluation = evaluate(classifier, tmp_path)
    assert evaluation.figures.n == 2
    assert [name for name, _ in evaluation.unreadable] == ["ig/b.png"]
    assert "ig/b.png" in report_text(evaluation, classifier)


def test_a_folder_of_broken_files_alone_is_a_sentence(classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "ig").mkdir()
    (tmp_path / "ig" / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="None of the 1 images"):
        evaluate(classifier, tmp_path)


def validation_images(run: RunFolder, data: Path, weights: LoadedWeights) -> torch.Tensor:
    card = weights.card
    entries = read_split(run.split).validation
    return decode_images(data, entries, image_size_px=card.image_size_px, field_of_view=card.field_of_view)


def test_tensors_are_halved_where_the_answers_stay_the_same(finished_run: RunFolder, drawn_dataset: Path) -> None:
    weights = load_weights(finished_run.best)
    tensors = half_precision_where_equal(weights, validation_images(finished_run, drawn_dataset, weights))
    assert tensors["classifier.weight"].dtype == torch.float16


def test_tensors_stay_whole_where_halving_would_change_an_answer(finished_run: RunFolder, drawn_dataset: Path) -> None:
    weights = load_weights(finished_run.best)
    images = validation_images(finished_run, drawn_dataset, weights)
    with torch.no_grad():
        # The same for every class, so no answer moves; but half precision keeps no digit after the point up there.
        weights.model.classifier.weight += 2000
    tensors = half_precision_where_equal(weights, images)
    assert tensors["classifier.weight"].dtype == torch.float32


def test_a_published_model_answers_like_its_run(finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "unseen", per_class=3, size_px=64, seed=99)
    card = publish(finished_run, "mine", to=tmp_path, test_folder=tmp_path / "unseen", source="drawn", licence="none")
    loaded = Classifier.load(tmp_path / "mine.safetensors", device="cpu")
    assert loaded.card == card
    assert card.licence == "none"
    mine, best = (evaluate(c, tmp_path / "unseen") for c in (loaded, Classifier.load(finished_run.best, device="cpu")))
    ours, theirs = ([row.prediction.probabilities for row in e.rows] for e in (mine, best))
    np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=5e-3)
    assert card.metrics["test"]["correct"] == mine.figures.correct


def test_of_several_seeds_the_median_is_published_and_all_are_stated(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    other = train_quietly(replace(quick_config(epochs=6), seed=1), drawn_dataset, tmp_path / "other")
    write_synthetic_dataset(tmp_path / "unseen", per_class=3, size_px=64, seed=99)
    card = publish(finished_run, "mine", other_seeds=[other], to=tmp_path, test_folder=tmp_path / "unseen")
    runs = card.metrics["seeds"]["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    shipped = next(run for run in runs if run["ships"])
    assert shipped["seed"] == card.recipe["seed"]
    assert shipped["validation"]["correct"] == min(run["validation"]["correct"] for run in runs)
    assert shipped["test"]["correct"] == card.metrics["test"]["correct"]
    for run, folder in zip(runs, (finished_run, other), strict=True):
        measured = evaluate(Classifier.load(folder.best, device="cpu"), tmp_path / "unseen")
        assert run["test"] == {"correct": measured.figures.correct, "n": 24}
    logits, labels = [], None
    for folder in (finished_run, other):
        weights = load_weights(folder.best)
        images = validation_images(folder, drawn_dataset, weights)
        pixels = normalise(images.float() / 255, weights.card.mean, weights.card.std)
        with torch.no_grad():
            logits.append(weights.model(pixels).numpy())
        labels = np.array([entry.label for entry in read_split(folder.split).validation])
    wanted = fit_temperature(np.concatenate(logits), np.concatenate([labels] * 2))
    assert card.temperature == pytest.approx(wanted, rel=0.02)


def test_a_name_that_ships_cannot_be_published(finished_run: RunFolder) -> None:
    with pytest.raises(WeightsError, match="ship with the program"):
        publish(finished_run, "unet_encoder")


def test_test_images_that_were_trained_on_publish_nothing(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="80 of the 80 test images"):
        publish(finished_run, "mine", to=tmp_path, test_folder=drawn_dataset)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "A", "a b", "x" * 65, "a.b"])
def test_a_name_that_is_no_name_is_refused(finished_run: RunFolder, name: str) -> None:
    with pytest.raises(WeightsError, match="cannot be a name"):
        publish(finished_run, name)


def test_weights_are_not_published_without_a_name(finished_run: RunFolder) -> None:
    with pytest.raises(WeightsError, match="Give the weights a name"):
        publish(finished_run, "")


def test_a_published_model_knows_its_training_images_and_refuses_what_is_unlike_them(
    finished_run: RunFolder, tmp_path: Path
) -> None:
    card = publish(finished_run, "mine", to=tmp_path)
    assert card.gate["fitted_on"] == 64
    assert card.gate["held_out"] == 80
    loaded = Classifier.load(tmp_path / "mine.safetensors", device="cpu")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert [row.status for row in loaded.rows([noise])] == ["refused"]


def test_fitting_the_gate_again_changes_neither_the_model_nor_the_gate(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    card = publish(finished_run, "mine", to=tmp_path)
    tensors = stored_tensors(tmp_path / "mine.safetensors")
    again = publish_gate("mine", to=tmp_path, folders=DataFolders(dataset=drawn_dataset))
    assert again.gate == card.gate
    assert again.metrics == card.metrics
    after = stored_tensors(tmp_path / "mine.safetensors")
    assert all(torch.equal(tensor, after[key]) and tensor.dtype == after[key].dtype for key, tensor in tensors.items())


def test_other_images_than_those_of_the_training_fit_no_gate(finished_run: RunFolder, tmp_path: Path) -> None:
    publish(finished_run, "mine", to=tmp_path)
    before = (tmp_path / "mine.json").read_bytes()
    write_synthetic_dataset(tmp_path / "others", per_class=5, size_px=64, seed=7)
    with pytest.raises(DatasetError, match="does not hold the images"):
        publish_gate("mine", to=tmp_path, folders=DataFolders(dataset=tmp_path / "others"))
    assert (tmp_path / "mine.json").read_bytes() == before


def test_the_gate_of_weights_that_ship_is_not_rewritten_by_name(drawn_dataset: Path) -> None:
    with pytest.raises(WeightsError, match="ship with the program"):
        publish_gate("unet_encoder", folders=DataFolders(dataset=drawn_dataset))


def test_published_weights_count_the_images_that_they_know(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    publish(finished_run, "mine", to=tmp_path)
    write_synthetic_dataset(tmp_path / "both", per_class=1, size_px=64, seed=5)
    for key in ("platelet", "monocyte"):
        (known,) = sorted((drawn_dataset / key).iterdir())[:1]
        shutil.copy(known, tmp_path / "both" / key / f"known{known.suffix}")
    loaded = Classifier.load(tmp_path / "mine.safetensors", device="cpu")
    evaluation = evaluate(loaded, tmp_path / "both")
    assert evaluation.seen_before == 2
    assert "2 of these images, or copies of them, trained the weights" in report_text(evaluation, loaded)
    assert evaluate(loaded, drawn_dataset).seen_before == 80


def test_training_images_that_were_saved_again_resized_or_turned_are_known(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    publish(finished_run, "mine", to=tmp_path)
    folder = tmp_path / "copies" / "monocyte"
    folder.mkdir(parents=True)
    known = sorted((drawn_dataset / "monocyte").iterdir())[:3]
    pictures = [Image.open(path) for path in known]
    pictures[0].save(folder / "again.jpg", quality=92)
    pictures[1].resize((150, 150)).save(folder / "larger.png")
    pictures[2].transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", quality=80)
    loaded = Classifier.load(tmp_path / "mine.safetensors", device="cpu")
    assert evaluate(loaded, tmp_path / "copies").seen_before == 3
    with pytest.raises(DatasetError, match="3 of the 3 test images were seen in training or validation, as they are"):
        publish(finished_run, "other", to=tmp_path, test_folder=tmp_path / "copies")


def test_fitting_the_gate_again_records_the_images_of_weights_from_before_they_were_recorded(
    finished_run: RunFolder, drawn_dataset: Path, tmp_path: Path
) -> None:
    publish(finished_run, "mine", to=tmp_path)
    path = tmp_path / "mine.safetensors"
    published = load_weights(path)
    save_weights(tmp_path, published.card, stored_tensors(path), published.gate_tensors)
    assert load_weights(path).known_images is None
    publish_gate("mine", to=tmp_path, folders=DataFolders(dataset=drawn_dataset))
    assert load_weights(path).known_images == published.known_images


def test_images_that_the_disk_does_not_give_end_an_evaluation(
    classifier: Classifier, drawn_dataset: Path, tmp_path: Path
) -> None:
    """Figures of what is left would pass for figures of the set."""
    data = shutil.copytree(drawn_dataset, tmp_path / "data")
    lost = sorted((data / "platelet").iterdir())[-1]
    lost.unlink()
    lost.symlink_to("/proc/self/mem")
    with pytest.raises(DatasetError, match=f"stopped at .*{lost.name}"):
        evaluate(classifier, data)
