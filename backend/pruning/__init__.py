"""The guardrail, and what a strategy may ask of the model and the clean data."""
