"""The stages, in the order of the data: `python -m stages.fetch` runs one."""

import signal
import sys

# Python has this name for the program until it has found the module that it is to run. A Ctrl-C
# while a stage still imports packages ends it without a traceback; `stage.run` then takes over.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
