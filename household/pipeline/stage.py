"""How every stage starts and ends."""

import sys
from collections.abc import Callable

from household.pipeline import params
from household.pipeline.failure import Failure
from household.pipeline.params import Params


def run(name: str, main: Callable[[Params], None]) -> None:
    """Runs `main` on the checked parameters; what fails is told in one line, exit status 1."""
    try:
        main(params.load())
    except Failure as failure:
        _end(f"{name}: {failure}")
    except OSError as error:
        _end(f"{name}: {error.filename or 'the operating system says'}: {error.strerror or error}")
    except KeyboardInterrupt:
        _end(
            f"{name}: interrupted; `dvc repro` goes on",
            status=130,
        )


def _end(line: str, status: int = 1) -> None:
    print(line, file=sys.stderr)
    sys.exit(status)
