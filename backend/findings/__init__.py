"""All that is known of a run, gathered once, and the rules by which it is judged.

`gather` reads; report, pages, cards and the command line say and draw what it found.  No torch."""
