"""What pages ask of a run's models: answered in the warm process (`backend.interactive`)."""
