"""Define the one exception whose message is meant for the user."""


class UserError(Exception):
    """Report what is wrong and what to do about it, in one line.

    A stage or command prints the message without a traceback and exits with status 1.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))
