"""Programs that are compiled once, however often they are traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
from jax.experimental.compilation_cache import compilation_cache

SETTINGS: dict[str, object] = {
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
"""JAX's own cache of compiled programs, for all of them: https://docs.jax.dev/en/latest/persistent_compilation_cache.html"""


@contextmanager
def compiled_once(folder: str) -> Iterator[None]:
    """Keep compiled programs in a folder meanwhile. Modules hand JAX another function at every pass, which it compiles
    anew although the program is the same. A cache of the user's own is left as it is."""
    before: dict[str, object] = {name: getattr(jax.config, name) for name in SETTINGS}
    if before["jax_compilation_cache_dir"] is not None:
        yield
        return
    _set({**SETTINGS, "jax_compilation_cache_dir": folder})
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, object]) -> None:
    for name, value in values.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
