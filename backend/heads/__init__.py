"""The head grid: where the heads of an architecture are, gating, statistics, gradients, surgery.

Every quantity about heads is a matrix of shape `(layer, head)`: importance is
`Float[ndarray, "layer head"]`, what is pruned is `Bool[ndarray, "layer head"]`."""
