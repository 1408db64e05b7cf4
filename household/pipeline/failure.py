"""The one kind of error that a user is meant to see."""


class Failure(Exception):
    """What went wrong and what to do about it, in one line; a stage prints it and exits with 1."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))
