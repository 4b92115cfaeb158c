"""Figures, pure functions from a run's events to plotly."""
