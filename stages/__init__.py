"""Run the stages, in the order of the data: `python -m stages.fetch` runs one of them."""

import signal
import sys
from types import TracebackType


def _report_missing_package(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not isinstance(error, ModuleNotFoundError):
        sys.__excepthook__(kind, error, trace)
        return
    print(
        f"stages: {error.name} is not installed for {sys.executable}; run "
        "`. .venv/bin/activate` first, or `make repro`, which creates that environment",
        file=sys.stderr,
    )


# While `python -m stages.x` is still importing, sys.argv[0] is "-m".
if sys.argv[0] == "-m":
    sys.excepthook = _report_missing_package
    # Let Ctrl-C end the process without a traceback until `stage.run` sets its own handler.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

# Importing household pins the arithmetic of NumPy, so it comes before NumPy.
import household  # noqa: E402, F401
