"""Run by Python before a traced stage: notes each parameter that the stage reads.

The file that TRACED_KEYS names gets their dotted names, one a line.
"""

import atexit
import importlib.abc
import importlib.machinery
import os
import sys
from pathlib import Path
from typing import Any

read: set[str] = set()
LAYOUT = "parse.layout."


class Recorder:
    """A section of the parameters that notes each key which is read."""

    def __init__(self, section: Any, name: str) -> None:
        self._section, self._name = section, name

    def model_dump(self, **options: Any) -> Any:
        note(self._section.model_dump(), self._name)
        return self._section.model_dump(**options)

    def __getattr__(self, key: str) -> Any:
        computed = getattr(type(self._section), key, None)
        if isinstance(computed, property) and computed.fget:
            return computed.fget(self)  # notes the keys that it reads
        value = getattr(self._section, key)
        name = f"{self._name}{key}"
        if hasattr(value, "model_dump"):
            return Recorder(value, f"{name}.")
        read.add(name)
        return value


def note(values: dict[str, Any], prefix: str) -> None:
    if prefix == LAYOUT:  # which params.yaml gives by its name
        read.add(prefix.removesuffix("."))
        return
    for key, value in values.items():
        if isinstance(value, dict):
            note(value, f"{prefix}{key}.")
        else:
            read.add(prefix + key)


class Finder(importlib.abc.MetaPathFinder):
    """Puts a Recorder around what household.core.params loads."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if name == "household.core.params" and spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_wrap(module: Any) -> None:
                execute(module)
                load = module.load
                module.load = lambda: Recorder(load(), "")

            spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
            return spec
        return None


sys.meta_path.insert(0, Finder())
atexit.register(lambda: Path(os.environ["TRACED_KEYS"]).write_text("\n".join(sorted(read))))
