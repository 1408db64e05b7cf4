"""The stages, in the order of the data: `python -m stages.fetch` runs one."""

import signal
import sys
from types import TracebackType


def _name_what_is_not_installed(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not isinstance(error, ModuleNotFoundError):
        sys.__excepthook__(kind, error, trace)
        return
    print(
        f"stages: {error.name} is not installed for {sys.executable}; run "
        "`. .venv/bin/activate` first, or `make repro`, which makes that environment",
        file=sys.stderr,
    )


# Python has this name for the program until it has found the module that it is to run.
if sys.argv[0] == "-m":
    sys.excepthook = _name_what_is_not_installed
    # A Ctrl-C while a stage still imports packages ends it without a traceback; `stage.run` then
    # takes over.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

# Sets how NumPy computes, before a stage imports it.
import household  # noqa: E402, F401
