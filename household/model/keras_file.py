"""Save and load Keras files, with the same bytes for the same network."""

import json
import zipfile
from pathlib import Path
from typing import Any

from household.core import files
from household.core.errors import UserError
from household.model.tensorflow import keras


def save(model: keras.Model, path: Path) -> None:
    """Write `model` for `keras.models.load_model`, the same network to the same bytes."""
    with files.atomic_write(path) as partial:
        model.save(partial)
        make_canonical(partial)


def load(path: Path) -> keras.Model:
    """Return the model that `save` wrote.

    Raises:
        UserError: It is any other file, or one that holds code.
    """
    try:
        return keras.models.load_model(path, safe_mode=True)
    # Depending on the contents, Keras raises any kind of exception.
    except Exception as error:
        raise UserError(f"{path}: not a network of the train stage ({error!r})") from None


# The earliest date that a zip can hold.
NO_DATE = (1980, 1, 1, 0, 0, 0)


def make_canonical(archive: Path) -> None:
    """Rewrite a file of `keras.Model.save`, so that the same network gives the same bytes.

    Keras stores the time of saving and memory addresses. Both become constants here.
    `keras.models.load_model` reads the result like any other file.
    """
    with zipfile.ZipFile(archive) as saved:
        members = {name: saved.read(name) for name in sorted(saved.namelist())}
    for name in ("config.json", "metadata.json"):
        record = json.loads(members[name])
        record = _with_small_ids(record, {})
        record.pop("date_saved", None)
        members[name] = json.dumps(record, sort_keys=True).encode()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as canonical:
        for name, content in members.items():
            canonical.writestr(zipfile.ZipInfo(name, NO_DATE), content)


def _with_small_ids(node: Any, ids: dict[int, int]) -> Any:
    """Renumber each shared_object_id in a JSON tree as 1, 2, ... in the order of the keys."""
    if isinstance(node, list):
        return [_with_small_ids(inner, ids) for inner in node]
    if not isinstance(node, dict):
        return node
    return {
        key: ids.setdefault(node[key], len(ids) + 1)
        if key == "shared_object_id"
        else _with_small_ids(node[key], ids)
        for key in sorted(node)
    }
