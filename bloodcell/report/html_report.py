"""A page of tables and figures as one file that opens without a network: plotly.js stands in it once."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plotly.io
from plotly.offline import get_plotlyjs

from bloodcell.figures.style import DrawnFigure
from bloodcell.report.table import Table

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", sans-serif; color: #1c2b36; max-width: 1100px; margin: 0 auto;
  padding: 1.5rem; }
h1 { font-size: 2rem; margin: 0 0 .25rem; } h2 { font-size: 1.4rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; } header p, .note { color: #4d6170; margin: .25rem 0; }
h2 { border-bottom: 2px solid #1d6a96; padding-bottom: .25rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .92rem; }
th, td { text-align: left; padding: .35rem .8rem; border-bottom: 1px solid #d5dde3; vertical-align: top;
  overflow-wrap: break-word; max-width: 34rem; }
th { background: #f3f6f8; } tbody tr:hover { background: #f8fafb; } td { min-width: 3.5rem; }
figure { margin: 0 0 1rem; } figcaption { color: #4d6170; font-size: .92rem; }
nav a { margin-right: 1rem; color: #1d6a96; }
@media print { figure, .table { break-inside: avoid; } nav { display: none; } }
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading with what stands under it."""

    title: str
    words: str = ""
    """A paragraph of plain text; may be empty."""
    parts: Sequence[Table | tuple[DrawnFigure, str]] = ()
    """Tables, and figures with a caption each, in their order."""


def html_page(title: str, subtitle: str, sections: Sequence[Section]) -> bytes:
    """Return the page, UTF-8. All text is escaped; nothing is loaded from elsewhere."""
    links = "".join(
        f"<a href='#section-{number}'>{html.escape(section.title)}</a>" for number, section in enumerate(sections)
    )
    body = "".join(_section(number, section) for number, section in enumerate(sections))
    has_figures = any(isinstance(part, tuple) for section in sections for part in section.parts)
    script = f"<script>{get_plotlyjs()}</script>" if has_figures else ""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>{script}</head>\n<body>"
        f"<header><h1>{html.escape(title)}</h1><p>{html.escape(subtitle)}</p>"
        f"<p>Research use only, not for diagnosis.</p></header>\n<nav>{links}</nav>\n{body}</body></html>\n"
    ).encode()


def _section(number: int, section: Section) -> str:
    words = f"<p>{html.escape(section.words)}</p>\n" if section.words else ""
    return (
        f"<section id='section-{number}'><h2>{html.escape(section.title)}</h2>\n{words}"
        + "".join(_part_lines(section.parts, prefix=f"figure-{number}"))
        + "</section>\n"
    )


def _part_lines(parts: Sequence[Table | tuple[DrawnFigure, str]], *, prefix: str) -> Iterator[str]:
    for place, part in enumerate(parts):
        if isinstance(part, Table):
            yield part.to_html()
        else:
            drawn, caption = part
            yield (
                f"<h3>{html.escape(drawn.title)}</h3>\n"
                f"<figure role='img' aria-label='{html.escape(drawn.alt)}'>{_chart(drawn, f'{prefix}-{place}')}"
                f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
            )


def _chart(drawn: DrawnFigure, element: str) -> str:
    # A copy: on pages the figure takes its colours from the page's theme.
    figure = drawn.figure.__class__(drawn.figure)
    figure.update_layout(template="plotly_white")
    options = {
        "displaylogo": False,
        "responsive": True,
        "toImageButtonOptions": {"format": "svg", "filename": drawn.name},
    }
    return plotly.io.to_html(figure, include_plotlyjs=False, full_html=False, config=options, div_id=element)
