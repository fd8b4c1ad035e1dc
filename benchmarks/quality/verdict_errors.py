"""How often a suite's verdicts are wrong, and how often a true difference is found.

`python -m benchmarks.quality.verdict_errors` draws suites and writes the section of RESULTS.md: where all arms are
equally good any 'better' or 'worse' is wrong; where arms are two points apart, 'differs by less than' two points is
wrong; and no arm's interval may miss the true difference. The spreads between seeds are those of the suites that ship,
and others around them. Run it again after every change of the rule.
"""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import scipy.stats

from benchmarks.results_file import table, write_section
from bloodcell.paths import SHIPPED_RECORDS
from bloodcell.suites.arm_runs import finished_runs, right_answers
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.suite_jobs import known_suites
from bloodcell.suites.verdict import ALIKE_WITHIN
from tests.builders.drawn_arms import ACCURACY, DrawnCase, comparisons_of, drawn_suites

ARMS, SEEDS, IMAGES = 6, 3, 640
LARGEST_SHARE, LARGEST_BOUND = 0.05, 0.07
DIFFERENCES = (-0.02, -0.05, -0.10)
MISSED_AT = -0.05
"""How far apart arms are where intervals are tested; of arms alike, an interval that misses is a wrong verdict."""
_FAR_OFF = 0.1
"""An arm of a shipped suite that lies further from its base is drawn at its own accuracy, all others at the base's."""


def main() -> int:
    """Draw, print, write the section; return 1 where verdicts are wrong more often than they may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=int, default=2000, metavar="N", help="per row; default 2000")
    suites = parser.parse_args().suites
    rows = [
        [
            "spread between seeds, points",
            "any wrong verdict, all arms alike",
            "95 % bound",
            f"called alike, {100 * ALIKE_WITHIN:.0f} points apart",
            "called alike, all arms alike",
            *(f"{100 * d:+.0f} found" for d in DIFFERENCES),
            f"any interval misses, {-100 * MISSED_AT:.0f} points apart",
        ]
    ]
    is_good = True
    for case in spread_cases():
        cells, is_kept = _row(case, suites)
        is_good &= is_kept
        rows.append(cells)
        print(" | ".join(cells), flush=True)
    body = (
        f"## Wrong verdicts\n\n{ARMS} drawn arms, {SEEDS} seeds, {IMAGES} images, {ACCURACY:.0%} expected accuracy "
        f"where the row says nothing else; {suites} suites per row, {suites // 10} per difference.\n\n{table(rows)}\n\n"
        f"- Wanted: at most {LARGEST_SHARE:.0%} of the suites with any wrong verdict, in every row, one-sided 95 % "
        f"bound at most {LARGEST_BOUND:.0%}; as many whose intervals miss any true difference: "
        f"{'kept' if is_good else 'NOT kept'}."
    )
    write_section("verdict_errors", body)
    return 0 if is_good else 1


def _row(case: DrawnCase, suites: int) -> tuple[list[str], bool]:
    """Return the cells of a row, and whether verdicts are wrong as rarely as they have to be."""
    random = np.random.default_rng(0)
    wrong, alike = wrong_suites(random, case, suites), wrong_suites(random, case, suites // 4, -ALIKE_WITHIN)
    bound = float(scipy.stats.beta.ppf(0.95, wrong + 1, suites - wrong))
    missed = missed_suites(np.random.default_rng(1), case, suites // 2, MISSED_AT)
    few = suites // 10
    cells = [
        case.name,
        f"{wrong} of {suites}",
        f"{bound:.1%}",
        f"{alike} of {suites // 4}",
        f"{verdict_share(random, case, 'alike', few):.0%}",
        *(f"{found_share(random, case, difference, few):.0%}" for difference in DIFFERENCES),
        f"{missed} of {suites // 2}",
    ]
    is_kept = bound <= LARGEST_BOUND and all(
        count / drawn <= LARGEST_SHARE
        for count, drawn in ((wrong, suites), (alike, suites // 4), (missed, suites // 2))
    )
    return cells, is_kept


def spread_cases() -> list[DrawnCase]:
    """Return the rows: the shipped suites, and others around them."""
    even = [
        DrawnCase(name=f"{100 * spread:.1f} in all arms", spreads=(spread,) * ARMS)
        for spread in (0.0, 0.005, 0.01, 0.02, 0.04)
    ]
    unsteady_base = DrawnCase(name="4 in the base, 0.5 in the others", spreads=(0.04,) + (0.005,) * (ARMS - 1))
    steady = DrawnCase(name="", spreads=(0.01,) * ARMS)
    return [
        *(case for folder in known_suites(SHIPPED_RECORDS) if (case := _shipped_case(folder)) is not None),
        *even,
        unsteady_base,
        DrawnCase(name="4 in one arm, 0.5 in the others", spreads=(0.005,) * (ARMS - 1) + (0.04,)),
        DrawnCase(name="0.2 to 4", spreads=(0.002, 0.005, 0.01, 0.02, 0.03, 0.04)),
        replace(steady, name="1.0, one arm at 79 %", other_accuracies=((ARMS - 1, 0.79),)),
        replace(steady, name="1.0, one seed of an arm collapsed", collapsed=(ARMS - 1,)),
        replace(steady, name="1.0, one seed of the base collapsed", collapsed=(0,)),
        replace(steady, name="1.0, two arms", spreads=(0.01,) * 2),
        replace(unsteady_base, name="4 in the base, 0.5 in the other of two arms", spreads=(0.04, 0.005)),
        replace(steady, name="1.0, two seeds", seeds=2),
        replace(unsteady_base, name="4 in the base, 0.5 in the others, two seeds", seeds=2),
        replace(unsteady_base, name="4 in the base, 0.5 in the others, five seeds", seeds=5),
        replace(steady, name="1.0, 5,400 images", images=5400),
        replace(unsteady_base, name="4 in the base, 0.5 in the others, 5,400 images", images=5400),
        replace(steady, name="0.4, 5,400 images at 97.5 %", spreads=(0.004,) * ARMS, images=5400, accuracy=0.975),
    ]


def _shipped_case(folder: SuiteFolder) -> DrawnCase | None:
    """Return suites with the spreads of one that ships; None where too few of its arms learned with several seeds."""
    measured: list[list[float]] = []
    for runs in finished_runs(folder):
        tables = [table for record in runs.records if (table := record.test or record.validation) is not None]
        accuracies = [float(right_answers(table).mean()) for table in tables]
        if len(accuracies) > 1 and max(accuracies) > 0.2:
            measured.append(accuracies)
    if len(measured) < 2:
        return None
    base = fmean(measured[0])
    shown = ", ".join(f"{100 * stdev(accuracies):.1f}" for accuracies in measured)
    return DrawnCase(
        name=f"as in the suite {folder.path.name}: {shown}",
        spreads=tuple(stdev(accuracies) for accuracies in measured),
        accuracy=base,
        other_accuracies=tuple(
            (arm, fmean(accuracies))
            for arm, accuracies in enumerate(measured)
            if abs(fmean(accuracies) - base) > _FAR_OFF
        ),
        seeds=len(measured[0]),
        images=1000,
    )


def wrong_suites(random: np.random.Generator, case: DrawnCase, suites: int, difference: float = 0.0) -> int:
    """Return how many of the drawn suites have any verdict that is wrong."""
    truth = np.array(case.accuracies(difference)[1:]) - case.accuracy
    return sum(any(_wrong(verdicts, truth)) for verdicts in _verdicts(random, case, suites, difference))


def missed_suites(random: np.random.Generator, case: DrawnCase, suites: int, difference: float) -> int:
    """Return how many of the drawn suites have any interval that does not hold the true difference."""
    truth = np.array(case.accuracies(difference)[1:]) - case.accuracy
    drawn = (comparisons_of(suite) for suite in drawn_suites(random, case, suites, difference))
    return sum(
        any(
            comparison.interval is not None and not comparison.interval[0] <= true <= comparison.interval[1]
            for comparison, true in zip(comparisons, truth, strict=True)
        )
        for comparisons in drawn
    )


def _wrong(verdicts: Iterable[str], truth: Iterable[float]) -> list[bool]:
    return [
        (verdict == "better" and true <= 0)
        or (verdict == "worse" and true >= 0)
        or (verdict == "alike" and abs(true) >= ALIKE_WITHIN - 1e-9)
        or verdict in ("never learned", "base never learned")
        for verdict, true in zip(verdicts, truth, strict=True)
    ]


def found_share(random: np.random.Generator, case: DrawnCase, difference: float, suites: int) -> float:
    """Return the share of arms whose difference from the base is found, with the right direction."""
    return verdict_share(random, case, "better" if difference > 0 else "worse", suites, difference)


def verdict_share(
    random: np.random.Generator, case: DrawnCase, verdict: str, suites: int, difference: float = 0.0
) -> float:
    """Return the share of arms with a verdict, of those that neither collapsed nor lie at an accuracy of their own."""
    apart = {arm for arm, _ in case.other_accuracies} | set(case.collapsed)
    found = [
        given
        for verdicts in _verdicts(random, case, suites, difference)
        for arm, given in enumerate(verdicts, start=1)
        if arm not in apart
    ]
    return found.count(verdict) / len(found)


def _verdicts(random: np.random.Generator, case: DrawnCase, suites: int, difference: float) -> Iterable[list[str]]:
    for suite in drawn_suites(random, case, suites, difference):
        yield [comparison.verdict for comparison in comparisons_of(suite)]


if __name__ == "__main__":
    raise SystemExit(main())
