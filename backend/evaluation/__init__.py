"""A model's predictions on held-out rows, and the rates computed from them."""
