"""What can go wrong on purpose, sorted by who has to act: the command line's exit codes follow from these classes."""


class CulpaError(Exception):
    """Something failed that a user can understand; exit code 1."""


class Busy(CulpaError):
    """Somebody else holds the store; what was asked can be asked again."""


class BadInput(CulpaError):
    """The input, the settings or the store cannot be used as given; nothing was written; exit code 2."""


class Refused(CulpaError):
    """The work was done, and a guard or the gate refused to publish it; exit code 3."""
