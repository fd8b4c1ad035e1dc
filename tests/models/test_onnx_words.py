from bloodcell.publishing.onnx_export import BF16_DIFFERENCE, Parity
from tests.conftest import REPOSITORY


def test_the_comparison_and_the_documents_say_that_classify_may_compute_in_bf16() -> None:
    sentence = Parity(image_count=64, is_real=True, largest_difference=1e-6).sentence()
    assert "fp32" in sentence
    assert f"up to about {BF16_DIFFERENCE}" in sentence
    assert f"up to about {BF16_DIFFERENCE}" in " ".join((REPOSITORY / "docs/use.md").read_text().split())
