"""Results: curves, the paper's tables and figures, mistakes with their images, comparisons, evaluations."""

import streamlit as st

from webui.parts.figures_and_tables import choose_picture_format
from webui.parts.frame import require_frame
from webui.results.answers import answer_sources, choose_answers
from webui.results.classes import show_classes
from webui.results.compare import show_comparison
from webui.results.evaluate import show_evaluations
from webui.results.mistakes import show_mistakes
from webui.results.runs import show_curves, show_paper, show_report_button
from webui.results.sources import choose_arms, choose_sources, read_sources, result_sources, suite_comparisons
from webui.results.subtypes import show_subtypes
from webui.results.views import CLASSES, COMPARE, CURVES, EVALUATE, MISTAKES, PAPER, SUBTYPES, choose_view

require_frame()

sources = result_sources()
chosen, arms = [], []
if sources:
    with st.container(border=True):
        chosen = choose_sources(sources)
        arms = choose_arms(read_sources(chosen))
comparisons = suite_comparisons(chosen)
answers_at_hand = answer_sources(arms)
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    view = choose_view(has_sources=bool(sources), has_arms=bool(arms), has_answers=bool(answers_at_hand))
    if view not in (COMPARE, EVALUATE):
        choose_picture_format()
    if view in (CURVES, PAPER):
        show_report_button(arms, comparisons, ", ".join(source.name for source in chosen))

if view == CURVES:
    show_curves(arms, comparisons)
elif view == PAPER:
    show_paper(arms)
elif view in (MISTAKES, CLASSES, SUBTYPES):
    answers = choose_answers(answers_at_hand)
    if answers is not None and view == MISTAKES:
        show_mistakes(answers)
    elif answers is not None and view == CLASSES:
        show_classes(answers)
    elif answers is not None:
        show_subtypes(answers)
elif view == COMPARE:
    show_comparison(answers_at_hand)
elif view == EVALUATE:
    show_evaluations()
