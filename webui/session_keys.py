"""Every name under which pages keep state: one place, so that no two pages share a name by accident."""

FRAME_DRAWN = "frame_drawn"
"""bool, the router has run in this session."""

CLASSIFY_CELLS = "classify_cells"
"""list[Cell], what was read, in the order in which it was added."""
CLASSIFY_WAITING = "classify_waiting"
"""deque[WaitingImage], what was handed in and is not read yet."""
CLASSIFY_UPLOADS_TAKEN = "classify_uploads_taken"
"""int, how often files were taken over; part of the uploader's key."""
CLASSIFY_EXAMPLES_SHOWN = "classify_examples_shown"
"""int, how often examples were asked for; seeds the next choice."""
CLASSIFY_NOTICE = "classify_notice"
"""str, a sentence about the last addition; empty where there is nothing to say."""
CLASSIFY_CHOSEN = "classify_chosen"
"""int, number of the cell whose details are shown."""
CLASSIFY_STEPPED = "classify_stepped"
"""tuple[int, float], the row that Previous or Next left, and when (monotonic seconds)."""
CLASSIFY_ORDER = "classify_order"
CLASSIFY_SHOWN = "classify_shown"
CLASSIFY_TABLE = "classify_table"
CLASSIFY_STRENGTH = "classify_strength"


def uploader_key(uploads_taken: int) -> str:
    """Return the uploader's widget key: a new key empties it."""
    return f"classify_files_{uploads_taken}"


def explained_class_key(cell_number: int) -> str:
    """Return the key of the choice of the explained class, one per cell."""
    return f"classify_explained_class_{cell_number}"
