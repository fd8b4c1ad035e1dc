"""`report`: one HTML file with every table and figure of a suite, and the paper's figures as pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bloodcell.commands.arguments import Commands

if TYPE_CHECKING:
    from bloodcell.report.arms import ArmRecords


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    report = commands.add_parser("report", help="tables and figures of a suite as one file that opens offline")
    report.set_defaults(run=run)
    report.add_argument("suite", type=Path, metavar="SUITE_DIR", help="a suite, or any folder of runs")
    report.add_argument("out", type=Path, metavar="OUT.html", help="the report to write")
    report.add_argument("--figures", type=Path, metavar="DIR", help="also write Figures 2 to 6 as PNG and SVG there")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    import sys

    from bloodcell.errors import RunFolderError
    from bloodcell.paths import readable_path, write_atomically
    from bloodcell.report.arms import group_arms
    from bloodcell.report.comparison_table import comparison_table
    from bloodcell.report.suite_report import suite_report
    from bloodcell.suites.run_record import scan_records
    from bloodcell.suites.suite import SuiteFolder
    from bloodcell.suites.table import suite_rows

    scan = scan_records(options.suite)
    for sentence in scan.damaged:
        print(f"bloodcell: {readable_path(sentence)}", file=sys.stderr)
    if not scan.records:
        raise RunFolderError(
            f"There is no run below {options.suite}. Give the folder of a suite that has been started."
        )
    arms = group_arms(scan.records)
    suite = SuiteFolder(options.suite)
    # With a damaged run the arms are not what they were planned to be; its sentence stands in the report instead.
    is_whole = suite.suite.exists() and not scan.damaged
    comparison = [comparison_table(suite_rows(suite))] if is_whole else []
    title = f"Suite {options.suite.resolve().name}"
    write_atomically(options.out, suite_report(arms, title=title, comparison=comparison, damaged=scan.damaged))
    print(f"Report on {len(scan.records)} runs in {len(arms)} arms: {readable_path(options.out)}")
    if options.figures is not None:
        _write_pictures(arms, options.figures)
    return 1 if scan.damaged else 0


def _write_pictures(arms: list["ArmRecords"], folder: Path) -> None:
    from bloodcell.figures.pictures import confusion_picture, curves_picture, write_picture
    from bloodcell.paths import readable_path
    from bloodcell.report.paper_figures import paper_figures

    folder.mkdir(parents=True, exist_ok=True)
    for figure in paper_figures(arms):
        if figure.matrix is not None:
            picture = confusion_picture(figure.matrix, title=figure.title)
        else:
            picture = curves_picture(figure.curves, title=figure.title)
        for path in write_picture(picture, folder / figure.name):
            print(readable_path(path))
