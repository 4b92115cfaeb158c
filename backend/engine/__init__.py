"""Carries out a run."""
