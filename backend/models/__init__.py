"""Victims, language models and how alike two texts are: what is loaded, and from where."""
