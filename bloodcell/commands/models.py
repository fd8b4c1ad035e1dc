"""`models`: print the paper's Tables 1 and 2."""

import argparse

from bloodcell.commands.arguments import Commands


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    models = commands.add_parser("models", help="the architectures: sizes, parameters, multiply-adds")
    models.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.experiments import paper_deep_cnn, paper_simple_cnn, paper_unet_encoder
    from bloodcell.models.architecture_table import architecture_report

    configs = (paper_simple_cnn(), paper_deep_cnn(), paper_unet_encoder())
    print(architecture_report({str(config.model): config.epochs for config in configs}))
    return 0
