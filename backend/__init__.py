"""Excise's engine: plant textual backdoors, prune attention heads, measure what is left.

Nothing in this package imports streamlit.  Modules that need torch are imported where they are
used, so that listing components, validating a specification and reading stored runs stay cheap.
"""

__version__ = "0.1.0"
