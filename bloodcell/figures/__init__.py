"""Plotly figures from plain data."""
