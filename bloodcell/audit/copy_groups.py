"""Groups of images that show the same, from the pairs that were found."""

from collections.abc import Iterable, Sequence


def copy_groups(links: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the groups that links join: whoever is linked to a member, over any number of steps, is one.

    Args:
        links: names that belong together, two or more each.

    Returns:
        Each group sorted, the groups in order; every name of the links is in exactly one.
    """
    group_of: dict[str, set[str]] = {}
    for names in links:
        joined = set(names).union(*(group_of.get(name, ()) for name in names))
        group_of.update(dict.fromkeys(joined, joined))
    return tuple(sorted({tuple(sorted(group)) for group in group_of.values()}))
