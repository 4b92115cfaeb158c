"""Studies: a grid of victims and defenses over seeds, expanded into runs that share what they can."""
