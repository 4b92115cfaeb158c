"""Whether a classifier is backdoored, and by what: known triggers, a scan of the vocabulary, rewriting."""
