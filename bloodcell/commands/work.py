"""`work`: walk the queue of jobs until nothing waits or runs; pages and commands start it by themselves."""

import argparse

from bloodcell.commands.arguments import Commands, positive


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    work = commands.add_parser("work", help="walk the queue of jobs; pages start it by themselves")
    work.set_defaults(run=run)
    work.add_argument("--job", type=positive, metavar="ID", help="run one job of the queue in this process")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    if options.job is not None:
        from bloodcell.jobs.command_process import run_queued_command

        return run_queued_command(options.job, options.command_line)
    from bloodcell.jobs.worker import work

    if not work():
        print("Another process walks the queue already.")
    return 0
