"""All that is known of a run, gathered once, and the rules that judge it.

`gather` reads; report, pages, model card and command line put it into words and figures.  No torch."""
