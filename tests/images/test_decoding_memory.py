"""One budget of memory for all decoding: who finds it spent waits, and nobody is refused for that."""

import io
import threading

import numpy as np
import pytest
import tifffile

from bloodcell.errors import UnreadableImage
from bloodcell.images import scaling
from bloodcell.images.decoding_memory import DecodingBudget, memory_for_samples
from bloodcell.images.open_image import open_image


def test_who_finds_the_budget_spent_waits_until_it_is_given_back() -> None:
    budget, began, done = DecodingBudget(100), threading.Event(), threading.Event()

    def second() -> None:
        began.set()
        with budget.held(60):
            done.set()

    with budget.held(60):
        thread = threading.Thread(target=second)
        thread.start()
        began.wait()
        assert not done.wait(0.1)
    assert done.wait(30)
    thread.join()
    assert budget.held_bytes == 0


def test_who_needs_more_than_all_runs_alone_and_is_not_overtaken_for_ever() -> None:
    budget, order = DecodingBudget(100), []
    waiting = threading.Event()

    def large() -> None:
        waiting.set()
        with budget.held(10_000):
            order.append("large")

    def small() -> None:
        with budget.held(1):
            order.append("small")

    threads = [threading.Thread(target=large), threading.Thread(target=small)]
    with budget.held(50):
        threads[0].start()
        waiting.wait()
        while not budget._waiting:
            pass
        threads[1].start()
    for thread in threads:
        thread.join(30)
    assert order == ["large", "small"]


def test_an_error_while_decoding_gives_the_memory_back() -> None:
    budget = DecodingBudget(100)
    with pytest.raises(EOFError), budget.held(100):
        raise EOFError
    assert budget.held_bytes == 0


def test_samples_beyond_the_limit_are_refused_before_they_are_decoded() -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((4_000, 4_000, 3)), photometric="rgb", compression="zlib")
    assert len(buffer.getvalue()) < 1_000_000
    with pytest.raises(UnreadableImage, match="too much memory"):
        open_image(buffer.getvalue())
    with pytest.raises(UnreadableImage):
        memory_for_samples(10**9, 1)


@pytest.mark.parametrize("shape", [(3, 5), (700, 900), (400, 300, 3), (2_000, 700, 3)])
def test_the_range_read_in_blocks_is_that_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    samples = draw.gamma(2.0, 300.0, shape).astype(np.float32)
    samples[0, 0] = np.nan
    samples.reshape(-1)[-1] = 1e9
    monkeypatch.setattr(scaling, "_BLOCK_SAMPLES", 10**9)
    whole = scaling.scaled_colour(samples)
    monkeypatch.setattr(scaling, "_BLOCK_SAMPLES", 997)
    assert np.array_equal(scaling.scaled_colour(samples), whole)


def test_a_part_that_is_kept_is_given_back_at_the_end_or_before_the_next_is_asked_for() -> None:
    budget = DecodingBudget(100)
    with budget.kept():
        with budget.held(60):
            assert budget.held_bytes == 60
        assert budget.held_bytes == 60
        with budget.held(90):
            assert budget.held_bytes == 90
        assert budget.held_bytes == 90
    assert budget.held_bytes == 0
    with budget.held(40):
        pass
    assert budget.held_bytes == 0


def test_a_part_that_is_kept_is_given_back_after_an_error() -> None:
    budget = DecodingBudget(100)
    with pytest.raises(ValueError, match="damaged"), budget.kept(), budget.held(60):
        raise ValueError("damaged")
    assert budget.held_bytes == 0
