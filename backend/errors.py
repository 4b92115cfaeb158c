"""Errors that are the user's to mend, and the signal that ends a cancelled run."""


class UserError(Exception):
    """What was got, what was expected and what to do, in one message fit for a page or a terminal."""


class Cancelled(Exception):
    """Raised inside the engine at the next batch after somebody asked the run to stop."""
