"""`export`: weights as an ONNX file."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    export = commands.add_parser("export", help="weights as ONNX, compared with the program's own answers")
    export.set_defaults(run=run)
    export.add_argument("weights", metavar="WEIGHTS", help="name, or a .safetensors file with its .json beside it")
    export.add_argument("out", type=Path, metavar="OUT.onnx")
    export.add_argument(
        "--data", type=Path, metavar="DIR", help="compare on these images; default: BLOODCELL_DATA, else drawn cells"
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.datasets.folder_scan import default_dataset
    from bloodcell.paths import data_folder
    from bloodcell.publishing.onnx_export import export_onnx, images_to_compare
    from bloodcell.weights.file import load_weights

    weights = load_weights(options.weights)
    parity = export_onnx(weights, options.out, images_to_compare(options.data or default_dataset(data_folder())))
    print(parity.sentence())
    print(f"Written to {options.out}; what goes in and what comes out stands in its metadata.")
    return 0
