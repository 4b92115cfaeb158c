"""What pages ask about a run's models; the warm process answers (`backend.base.warm_process`)."""
