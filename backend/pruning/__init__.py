"""The guardrail, and what a strategy can measure on the model and the clean data."""
