import contextlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from bloodcell.answers.classifier import GROUP_SIZE, Classifier
from bloodcell.answers.image_sources import open_sources
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.errors import DatasetError
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.answer_identity import answer_sha256
from bloodcell.weights.file import load_weights
from tests.answers.computing import needs_bf16, needs_openvino
from tests.answers.pictures import encoded, write_broken_and_odd_files
from tests.conftest import REPOSITORY


@pytest.fixture(
    scope="module",
    params=[
        ("torch", "fp32"),
        pytest.param(("torch", "bf16"), marks=needs_bf16),
        pytest.param(("openvino", "fp32"), marks=needs_openvino),
    ],
    ids="-".join,
)
def classifier(finished_run: RunFolder, request: pytest.FixtureRequest) -> Classifier:
    engine, precision = request.param
    return Classifier.load(finished_run.best, device="cpu", precision=precision, engine=engine)


def sources_of(count: int) -> list[ImageSource]:
    return [ImageSource(name=f"{index}.png", read=lambda index=index: encoded(index % 8)) for index in range(count)]


def test_probabilities_sum_to_one(classifier: Classifier) -> None:
    probabilities = classifier.probabilities([draw_cell(label, seed=1, size_px=80) for label in range(8)])
    assert probabilities.shape == (8, 8)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)


def test_answers_come_in_the_order_of_the_sources(classifier: Classifier) -> None:
    names = [answer.row.file for answer in classifier.answers(sources_of(23), batch_size=4)]
    assert names == [f"{index}.png" for index in range(23)]


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_answers_do_not_depend_on_the_batch(classifier: Classifier, batch_size: int) -> None:
    def probabilities(size: int) -> np.ndarray:
        return np.array([answer.row.probabilities for answer in classifier.answers(sources_of(11), batch_size=size)])

    np.testing.assert_allclose(probabilities(batch_size), probabilities(11), atol=1e-5)


def test_heat_maps_do_not_change_the_answer(classifier: Classifier) -> None:
    plain = [answer.row.probabilities for answer in classifier.answers(sources_of(8))]
    explained = [answer.row.probabilities for answer in classifier.answers(sources_of(8), heat_maps=True)]
    np.testing.assert_allclose(np.array(plain), np.array(explained), atol=1e-5)


def test_each_image_gets_its_own_heat_map(classifier: Classifier) -> None:
    together = list(classifier.answers(sources_of(8), heat_maps=True))
    for source, answer in zip(sources_of(8), together, strict=True):
        alone = next(iter(classifier.answers([source], heat_maps=True)))
        assert answer.heat_maps is not None
        np.testing.assert_allclose(answer.heat_maps, alone.heat_maps, atol=1e-4)


def test_every_answer_names_what_it_was_computed_with(classifier: Classifier) -> None:
    answered_by = classifier.answered_by
    sources = [*sources_of(2), ImageSource(name="broken.png", read=lambda: b"")]
    rows = [
        *(answer.row for answer in classifier.answers(sources)),
        *classifier.rows([draw_cell(0, seed=1, size_px=80)]),
    ]
    assert {(row.answer_sha256, row.precision, row.engine) for row in rows} == {
        (answer_sha256(classifier.card, answered_by.precision), answered_by.precision, answered_by.engine)
    }


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)])
def test_a_precision_that_is_asked_for_is_the_one_that_is_recorded(
    finished_run: RunFolder, precision: Literal["fp32", "bf16"]
) -> None:
    assert Classifier.load(finished_run.best, device="cpu", precision=precision).answered_by.precision == precision


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_on_a_processor_without_bf16_it_is_refused_and_never_chosen(finished_run: RunFolder, engine: str) -> None:
    code = """
import sys
from bloodcell.answers.classifier import Classifier
from bloodcell.errors import EngineUnavailable
path, engine = sys.argv[1:]
print(Classifier.load(path, device="cpu", engine=engine).answered_by.precision)
try:
    Classifier.load(path, device="cpu", precision="bf16", engine=engine)
except EngineUnavailable as error:
    print(error)
"""
    masked = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    command = [sys.executable, "-c", code, finished_run.best, engine]
    result = subprocess.run(command, cwd=REPOSITORY, env=masked, capture_output=True, text=True, check=True)
    chosen, refused = result.stdout.splitlines()
    assert chosen == "fp32"
    assert "does not compute in bf16" in refused


def test_an_edited_temperature_or_threshold_changes_the_answer_hash(finished_run: RunFolder) -> None:
    weights = load_weights(finished_run.best)
    cards = [
        weights.card,
        replace(weights.card, temperature=2 * weights.card.temperature),
        replace(weights.card, review_threshold=weights.card.review_threshold / 2),
    ]
    rows = [
        Classifier(replace(weights, card=card), device="cpu", precision="fp32").rows(
            [draw_cell(0, seed=1, size_px=80)]
        )[0]
        for card in cards
    ]
    assert len({row.model_sha256 for row in rows}) == 1
    assert len({row.answer_sha256 for row in rows}) == 3


def test_many_threads_on_one_model_never_mix_their_answers(classifier: Classifier) -> None:
    expected = {answer.row.file: answer for answer in classifier.answers(sources_of(8), heat_maps=True)}
    wrong: list[str] = []

    def ask(index: int) -> None:
        for _ in range(10):
            answer = next(iter(classifier.answers([sources_of(8)[index]], heat_maps=True)))
            reference = expected[answer.row.file]
            if not np.allclose(answer.heat_maps, reference.heat_maps, atol=1e-4):
                wrong.append(answer.row.file)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_broken_files_get_a_reason_and_the_others_an_answer(classifier: Classifier, tmp_path: Path) -> None:
    good, bad = write_broken_and_odd_files(tmp_path)
    with open_sources([tmp_path]) as found:
        rows = {answer.row.file: answer.row for answer in classifier.answers(found.sources, heat_maps=True)}
    assert set(rows) == good | bad
    assert {name for name, row in rows.items() if row.status == "error"} == bad
    assert all(rows[name].reason.endswith(".") for name in bad)
    assert all(rows[name].probabilities is not None for name in good)


def test_a_stream_without_any_readable_image_is_answered_with_reasons(classifier: Classifier) -> None:
    answers = list(classifier.answers([ImageSource(name="a", read=lambda: b"")] * 3, heat_maps=True))
    assert [answer.row.status for answer in answers] == ["error"] * 3


def test_a_low_confidence_asks_for_a_second_look(classifier: Classifier) -> None:
    threshold = classifier.card.review_threshold
    for answer in classifier.answers(sources_of(16)):
        assert answer.row.confidence is not None
        assert answer.row.status == ("ok" if answer.row.confidence >= threshold else "review")


def test_the_next_files_are_read_while_the_model_works(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    works = threading.Event()
    compute = classifier._own.engine.features

    def features(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        works.set()
        return compute(images)

    def read(index: int) -> bytes:
        assert index < GROUP_SIZE or works.wait(30), "read before the model worked on the files that come first"
        return encoded(index % 8)

    monkeypatch.setattr(classifier._own.engine, "features", features)
    sources = [ImageSource(name=str(index), read=partial(read, index)) for index in range(2 * GROUP_SIZE)]
    assert len(list(classifier.answers(sources))) == 2 * GROUP_SIZE


@pytest.mark.parametrize("batch_size", [1, 5, GROUP_SIZE, GROUP_SIZE + 4])
def test_every_pass_but_the_last_has_as_many_images_as_asked_for(
    classifier: Classifier, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, sizes = classifier._own.engine.features, list[int]()

    def features(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        sizes.append(len(images))
        return compute(images)

    monkeypatch.setattr(classifier._own.engine, "features", features)
    assert len(list(classifier.answers(sources_of(45), batch_size=batch_size))) == 45
    assert sizes == [min(batch_size, 45 - start) for start in range(0, 45, batch_size)]


def test_sources_are_read_no_further_than_two_groups_ahead(classifier: Classifier) -> None:
    taken: list[int] = []

    def endless():  # type: ignore[no-untyped-def]
        for index in range(1000):
            taken.append(index)
            yield ImageSource(name=str(index), read=lambda: encoded(0))

    answers = classifier.answers(endless(), batch_size=4)
    next(answers)
    answers.close()
    assert len(taken) == 2 * GROUP_SIZE


def test_a_zip_is_read_like_the_folder_it_was_made_from(classifier: Classifier, tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    for label in range(3):
        (folder / str(label)).mkdir(parents=True)
        (folder / str(label) / "a.png").write_bytes(encoded(label))
    archive = tmp_path / "cells.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for file in sorted(folder.rglob("*.png"), reverse=True):
            stream.write(file, file.relative_to(folder).as_posix())
        stream.writestr("__MACOSX/0/._a.png", b"")
        stream.writestr("notes.txt", b"")
    with open_sources([folder]) as from_folder, open_sources([archive]) as from_zip:
        one = [(answer.row.file, answer.row.probabilities) for answer in classifier.answers(from_folder.sources)]
        other = [(answer.row.file, answer.row.probabilities) for answer in classifier.answers(from_zip.sources)]
    assert one == other
    assert len(one) == 3


def test_an_entry_that_is_damaged_inside_a_zip_does_not_stop_the_rest(classifier: Classifier, tmp_path: Path) -> None:
    archive = tmp_path / "cells.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("a.png", encoded(0))
        stream.writestr("b.png", encoded(1))
    data = archive.read_bytes()
    where = data.index(encoded(0)[100:150])
    archive.write_bytes(data[:where] + bytes(50) + data[where + 50 :])
    with open_sources([archive]) as found:
        statuses = {answer.row.file: answer.row.status for answer in classifier.answers(found.sources)}
    assert statuses["a.png"] == "error"
    assert statuses["b.png"] != "error"


def test_a_file_that_is_no_zip_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cells.zip"
    path.write_bytes(b"not a zip")
    with pytest.raises(DatasetError, match="not a ZIP"), open_sources([path]):
        pass


def test_a_path_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"), open_sources([tmp_path / "nowhere"]):
        pass


def test_a_folder_without_images_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no image"), open_sources([tmp_path]):
        pass


def test_large_images_are_not_kept_whole(classifier: Classifier) -> None:
    def large() -> bytes:
        stream = io.BytesIO()
        Image.fromarray(draw_cell(0, seed=0, size_px=64)).resize((3000, 1500)).save(stream, "PNG")
        return stream.getvalue()

    plain = next(iter(classifier.answers([ImageSource(name="a", read=large)])))
    explained = next(iter(classifier.answers([ImageSource(name="a", read=large)], heat_maps=True)))
    assert plain.image is None
    assert explained.image is not None
    assert explained.image.shape == (512, 1024, 3)
    assert plain.row == explained.row


def test_damaged_zips_never_end_in_anything_but_a_sentence(classifier: Classifier, tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as stream:
        stream.writestr("a.png", encoded(0))
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("b.png", encoded(1))
    chance = np.random.default_rng(0)
    path, opened = tmp_path / "cells.zip", 0
    for _ in range(300):
        data = np.frombuffer(whole.getvalue(), dtype=np.uint8).copy()
        # Most damage goes to the headers, where the archive's structure is.
        places = chance.choice([*range(40), *range(len(data) - 200, len(data))], size=2)
        data[places] = chance.integers(0, 256, size=2)
        path.write_bytes(data.tobytes())
        with contextlib.suppress(DatasetError), open_sources([path]) as found:
            opened += 1
            assert len(list(classifier.answers(found.sources))) == len(found.sources)
    assert opened > 20
