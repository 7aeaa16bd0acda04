"""Where a model is in a Hugging Face cache whose folder the caller names; C++ finds those in the usual one."""

from __future__ import annotations

import os
from pathlib import Path

from bgem3.errors import ModelLoadingError


def find_model(
    model: str | os.PathLike[str], cache_folder: str | os.PathLike[str] | None, revision: str | None = None
) -> str:
    """What Embedder is to open: a folder, or "organisation/name[@revision]".

    Raises:
        ModelLoadingError: the cache in cache_folder has none.
    """
    name = os.fspath(model)
    if os.path.isdir(name):
        return name
    if not cache_folder:
        return f"{name}@{revision}" if revision else name
    repository = Path(cache_folder) / f"models--{name.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    snapshot = repository / "snapshots" / (reference.read_text().strip() if reference.is_file() else revision or "main")
    if not snapshot.is_dir():
        raise ModelLoadingError(
            f"model {name}: no folder {snapshot}; download the model into {cache_folder}, or name no cache folder",
            "not_found",
        )
    return str(snapshot)
