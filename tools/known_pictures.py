"""Give weights the fingerprints of the images that trained them, so that copies of those are known again.

`python -m tools.known_pictures NAME --data DIR [--more-data DIR]` rewrites weights of the repository's `weights/`; what
they answer stays the same, their hash does not. Weights that are published anew get the fingerprints by themselves.
"""

import argparse
from pathlib import Path

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.paths import SHIPPED_WEIGHTS, write_atomically
from bloodcell.publishing.known_pictures import known_pictures
from bloodcell.publishing.weights_gate import split_of
from bloodcell.report.model_card import card_markdown
from bloodcell.weights.file import load_weights, save_weights, stored_tensors


def main() -> None:
    """Do it for the weights that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more-data", type=Path)
    options = parser.parse_args()
    path = SHIPPED_WEIGHTS / f"{options.name}.safetensors"
    weights, folders = load_weights(path), DataFolders(dataset=options.data, more_training=options.more_data)
    split = split_of(weights.card, folders, lambda what, done, total: None)
    pictures = known_pictures(folders, split, lambda what, done, total: None)
    tensors = stored_tensors(path)
    card = save_weights(path.parent, weights.card, tensors, weights.gate_tensors, split.known_sha256, pictures)
    write_atomically(path.with_suffix(".md"), card_markdown(card).encode())
    print(f"{options.name}: {len(pictures):,} fingerprints")


if __name__ == "__main__":
    main()
