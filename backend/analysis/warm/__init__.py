"""What pages ask of a run's models, with torch: reached by name only, from the warm process."""
