"""Mistakes per subtype, near misses apart from the others."""

from collections.abc import Sequence

import plotly.graph_objects as go

from bloodcell.datasets.subtype import subtype_name
from bloodcell.figures.style import DrawnFigure, arranged
from bloodcell.measures.by_subtype import SubtypeAnswers

NEAR_MISS_COLOUR, OTHER_COLOUR = "#CCBB44", "#AA3377"


def subtype_figure(counted: Sequence[SubtypeAnswers]) -> DrawnFigure:
    """Draw the share of mistakes per subtype as stacked bars, in the order given."""
    names = [f"{subtype_name(answers.subtype)}, n = {answers.n}" for answers in counted]
    figure = go.Figure()
    parts = (
        (
            "Near miss: next stage of maturation",
            [answers.near_misses for answers in counted],
            NEAR_MISS_COLOUR,
            "/",
        ),
        ("Other mistake", [answers.other_mistakes for answers in counted], OTHER_COLOUR, ""),
    )
    for title, mistakes, colour, pattern in parts:
        figure.add_trace(
            go.Bar(
                y=names,
                x=[number / answers.n for number, answers in zip(mistakes, counted, strict=True)],
                customdata=mistakes,
                text=[str(number) if number else "" for number in mistakes],
                textangle=0,
                name=title,
                orientation="h",
                marker={
                    "color": colour,
                    "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 6},
                },
                hovertemplate=f"%{{y}}<br>{title}: %{{customdata}} (%{{x:.1%}})<extra></extra>",
            )
        )
    arranged(figure, height_px=110 + 34 * len(counted))
    highest = max(((answers.n - answers.right) / answers.n for answers in counted), default=0.0)
    figure.update_xaxes(title="Wrong", tickformat=".0%", range=[0, max(0.05, 1.08 * highest)])
    figure.update_yaxes(autorange="reversed", ticksuffix="  ")
    figure.update_layout(barmode="stack")
    near, other = sum(one.near_misses for one in counted), sum(one.other_mistakes for one in counted)
    alt = f"Mistakes per subtype: {near} near misses to the next stage of maturation, {other} other mistakes."
    return DrawnFigure(name="subtypes", title="Mistakes by subtype", alt=alt, figure=figure)
