"""Fields for numbers: what is out of range is said below the field, and never replaced by another number.

Streamlit keeps the last valid number where its own limits are exceeded: the field turns red, and the page goes on with
a number that is no longer seen. So the limits are checked here.
"""

from typing import Any

from streamlit.delta_generator import DeltaGenerator


def number_field(
    place: DeltaGenerator,
    label: str,
    *,
    lowest: float,
    highest: float,
    value: float,
    key: str,
    step: float = 1,
    **settings: Any,
) -> Any:
    """Show a field for a number; return the number, or None where it is empty or out of range, which is said below.

    Args:
        value: what it begins with; where it is whole, so must the number be.
        settings: of `st.number_input`.
    """
    whole = isinstance(value, int)
    if whole:
        # As whole numbers, Streamlit would refuse those beyond 2^53 in its own way.
        settings["format"] = "%.0f"
    number = place.number_input(label, value=float(value), step=float(step), key=key, **settings)
    if number is not None and lowest <= number <= highest and not (whole and number % 1):
        return int(number) if whole else number
    kind = "a whole number" if whole else "a number"
    place.error(f"{label}: {kind} from {lowest:,} to {highest:,}.", icon=":material/error:")
    return None
