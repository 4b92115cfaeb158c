"""Code that writes triggered rows: insertions, grammar and style rules, and the published generators."""
