"""The answers to what pages ask about a run's models.  Loads torch: imported by the warm process only."""
