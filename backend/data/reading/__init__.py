"""Reads files as people have them: what a file is, is found out, and told in sentences."""
