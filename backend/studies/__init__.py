"""Studies: a grid of victims × defenses × seeds, expanded into runs that share finished stages."""
