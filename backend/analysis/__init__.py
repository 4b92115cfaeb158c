"""What pages ask of a run's models: answered in the warm process (`backend.base.warm_process`)."""
