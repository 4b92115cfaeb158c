"""How the syntactic trigger rebuilds a sentence: parse, split into two clauses, spell out."""
