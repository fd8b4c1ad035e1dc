"""Attack the program in every way that is known, each in a process of its own, and write the table of RESULTS.md.

`python -m benchmarks.robustness` returns 1 where anything was wrong, lost, or ended in an exception that is no
sentence. `--quick` tries a tenth. Full disks are made as small mounts, which needs root.
"""

import argparse
import os

from benchmarks.results_file import machine_line, table, write_section
from benchmarks.robustness.attack import HEADINGS, Tally, in_own_process
from benchmarks.robustness.hostile_images import mutated_images
from benchmarks.robustness.hostile_weights import hostile_weights
from benchmarks.robustness.hostile_zips import hostile_zips
from benchmarks.robustness.kill_and_resume import killed_runs
from benchmarks.robustness.strange_days import clock_steps, edited_home, full_disk, lost_data


def main() -> int:
    """Attack, print, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases, and nothing is written")
    is_quick = parser.parse_args().quick
    share = 10 if is_quick else 1
    attacks = [
        (mutated_images, 10_000 // share),
        (hostile_zips,),
        (hostile_weights,),
        (lost_data, 3200 // share, 10 // share),
        (clock_steps,),
        (edited_home,),
        (killed_runs, 200 // share),
    ]
    if os.geteuid() == 0:
        attacks.append((full_disk, tuple(round(0.3 + 0.1 * step, 1) for step in range(8))))
    tallies: list[Tally] = []
    for attack, *arguments in attacks:
        tallies.append(in_own_process(attack, *arguments))
        print(" | ".join(tallies[-1].cells), flush=True)
        for failure in (*tallies[-1].wrong, *tallies[-1].lost, *tallies[-1].foreign):
            print(f"    {failure}", flush=True)
    if not is_quick:
        body = f"## Attacks\n\n{machine_line()}\n\n{table([HEADINGS, *(tally.cells for tally in tallies)])}\n"
        write_section("robustness", body)
    return int(any(tally.wrong or tally.lost or tally.foreign for tally in tallies))


if __name__ == "__main__":
    raise SystemExit(main())
