"""How often a suite's verdicts are wrong where all arms are equally good, and how often a difference is found.

`python -m benchmarks.verdict_errors` draws suites of six arms with three seeds and writes the section of RESULTS.md.
The spreads between seeds are those of the suites that ship, where there are any, and others around them.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import scipy.stats

from benchmarks.drawn_arms import ACCURACY, drawn_suite, verdicts_of
from benchmarks.results_file import table, write_section
from bloodcell.ablation.suite_jobs import known_suites
from bloodcell.ablation.table import suite_rows
from bloodcell.paths import SHIPPED_RECORDS

ARMS, SEEDS, IMAGES = 6, 3, 640
LARGEST_SHARE, LARGEST_BOUND = 0.05, 0.07
DIFFERENCES = (-0.02, -0.05)


def main() -> int:
    """Draw, print, write the section; return 1 where verdicts are wrong more often than they may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=int, default=1000, metavar="N", help="per row; default 1000")
    suites = parser.parse_args().suites
    rows = [
        [
            "spread between seeds, points",
            "any verdict wrong",
            "95 % bound",
            *(f"{100 * d:+.0f} points found" for d in DIFFERENCES),
        ]
    ]
    is_good = True
    for name, spreads in spread_cases():
        random = np.random.default_rng(0)
        wrong = wrong_suites(random, spreads, suites)
        bound = float(scipy.stats.beta.ppf(0.95, wrong + 1, suites - wrong))
        is_good &= wrong / suites <= LARGEST_SHARE and bound <= LARGEST_BOUND
        power = [found_share(random, spreads, difference, suites // 10) for difference in DIFFERENCES]
        rows.append([name, f"{wrong} of {suites}", f"{bound:.1%}", *(f"{share:.0%}" for share in power)])
    body = (
        f"## Wrong verdicts\n\n{ARMS} drawn arms, {SEEDS} seeds, {IMAGES} images, {ACCURACY:.0%} expected accuracy, "
        f"{suites} suites per row, {suites // 10} per difference.\n\n{table(rows)}\n\n"
        f"- Wanted: at most {LARGEST_SHARE:.0%} of the suites with any wrong verdict, one-sided 95 % bound at most "
        f"{LARGEST_BOUND:.0%}: {'kept' if is_good else 'NOT kept'}."
    )
    write_section("verdict_errors", body)
    return 0 if is_good else 1


def spread_cases() -> list[tuple[str, list[float]]]:
    """Return the rows: a name, and the standard deviation of the accuracy between seeds of each arm."""
    even = [(f"{100 * spread:.1f} in all arms", [spread] * ARMS) for spread in (0.0, 0.005, 0.01, 0.02, 0.04)]
    uneven = [
        ("4 in the base, 0.5 in the others", [0.04] + [0.005] * (ARMS - 1)),
        ("4 in one arm, 0.5 in the others", [0.005] * (ARMS - 1) + [0.04]),
        ("0.2 to 4", [0.002, 0.005, 0.01, 0.02, 0.03, 0.04]),
    ]
    measured = []
    for folder in known_suites(SHIPPED_RECORDS):
        spreads = [
            row.best_validation.seeds.standard_deviation
            for row in suite_rows(folder)
            if row.best_validation is not None and (row.comparison is None or row.comparison.verdict != "never learned")
        ]
        known = [spread for spread in spreads if spread is not None]
        if len(known) > 1:
            shown = ", ".join(f"{100 * spread:.1f}" for spread in known)
            measured.append((f"measured in the suite {folder.path.name}: {shown}", known))
    return [*measured, *even, *uneven]


def wrong_suites(random: np.random.Generator, spreads: Sequence[float], suites: int) -> int:
    """Return how many of the drawn suites have any verdict but 'cannot be told apart', with equally good arms."""
    return sum(
        any(
            verdict != "cannot be told apart"
            for verdict in verdicts_of(drawn_suite(random, seeds=SEEDS, images=IMAGES, seed_spreads=spreads))
        )
        for _ in range(suites)
    )


def found_share(random: np.random.Generator, spreads: Sequence[float], difference: float, suites: int) -> float:
    """Return the share of arms whose difference from the base is found, with the right direction."""
    right = "better" if difference > 0 else "worse"
    verdicts = [
        verdict
        for _ in range(suites)
        for verdict in verdicts_of(
            drawn_suite(random, seeds=SEEDS, images=IMAGES, seed_spreads=spreads, difference=difference)
        )
    ]
    return verdicts.count(right) / len(verdicts)


if __name__ == "__main__":
    raise SystemExit(main())
