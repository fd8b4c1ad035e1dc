import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from bloodcell.measures.crossed_difference import image_variance, residual_variance


def drawn(seed: int, runs: int = 3, images: int = 40) -> np.ndarray:
    random = np.random.default_rng(seed)
    logits = random.normal(1, 2, images) + random.normal(0, 0.5, (runs, 1))
    return np.asarray(random.random((runs, images)) < 1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize("seed", range(3))
def test_what_neither_run_nor_image_explains_is_that_of_an_analysis_of_variance(seed: int) -> None:
    answers = drawn(seed)
    run, image = np.indices(answers.shape)
    data = pd.DataFrame({"right": answers.ravel().astype(float), "run": run.ravel(), "image": image.ravel()})
    reference = anova_lm(ols("right ~ C(run) + C(image)", data).fit())["mean_sq"]["Residual"]
    assert residual_variance(answers) == pytest.approx(reference)


def test_images_that_all_runs_answer_alike_leave_nothing() -> None:
    answers = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], dtype=bool)
    assert residual_variance(answers) == 0
    assert image_variance(answers, ~answers) == pytest.approx(np.array([1, 1, -1, -1]).var(ddof=1))


def test_the_images_part_is_right_on_average() -> None:
    """Each image favours an arm by ±0.2 for good; the rest is chance, which would add half as much again."""
    random = np.random.default_rng(0)
    favour = np.where(np.arange(200) % 2, 0.1, -0.1)
    found = []
    for _ in range(200):
        one, other = (random.random((3, 200)) < 0.8 + sign * favour for sign in (1, -1))
        found.append(image_variance(one, other))
    assert np.mean(found) == pytest.approx(0.04, rel=0.05)


def test_single_runs_keep_what_is_left_in_the_images_part() -> None:
    one, other = drawn(0, runs=1), drawn(1, runs=1)
    assert image_variance(one, other) == pytest.approx((one[0].astype(int) - other[0].astype(int)).var(ddof=1))


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (5,)])
def test_too_few_runs_or_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two of each"):
        residual_variance(np.ones(shape, dtype=bool))
