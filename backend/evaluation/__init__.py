"""What a model answers on held-out rows, and the rates that follow from it."""
