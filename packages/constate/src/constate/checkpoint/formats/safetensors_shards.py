"""A checkpoint in several files of safetensors, and the index that says which entry is in which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from constate.checkpoint import sharing
from constate.checkpoint.formats import Form, Reader
from constate.checkpoint.formats.safetensors_files import FileReader, are_dotted
from constate.checkpoint.index import INDEX as INDEX
from constate.checkpoint.index import read_index
from constate.checkpoint.layout import CheckpointError
from constate.checkpoint.policies import Policy
from constate.errors import Unsupported
from constate.state import Array


class ShardsReader(Reader):
    """The shards must hold what the index names, each entry once and nothing else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._notes, named = read_index(path)
        self._shards: dict[str, FileReader] = {}
        self._homes: dict[str, FileReader] = {}
        with ExitStack() as opened:
            for shard, names in named.items():
                reader = opened.enter_context(FileReader(path.parent / shard))
                self._require(shard, names, set(reader.names()))
                self._shards[shard] = reader
            shared = {tuple(group) for reader in self._shards.values() for group in reader.shared()}
            bits = {name: bits for reader in self._shards.values() for name, bits in reader.bits().items()}
            sharing.require_alike(path, shared, bits)
            opened.pop_all()
        plain = all(shard.unchecked for shard in self._shards.values())
        dotted = plain and are_dotted(name for names in named.values() for name in names)
        for reader in self._shards.values():
            reader.separate(dotted)
            self._homes.update(dict.fromkeys(reader.entries(), reader))

    @property
    def unchecked(self) -> str:
        """A file that keeps no checksums, where there is one, else nothing."""
        return next((shard.unchecked for shard in self._shards.values() if shard.unchecked), "")

    def entries(self) -> Mapping[str, Form]:
        return {name: form for shard in self._shards.values() for name, form in shard.entries().items()}

    def metadata(self) -> Mapping[str, str]:
        """What the index says, and what the shards say where they agree; else it is said of each shard."""
        found = dict(self._notes)
        said: dict[str, dict[str, str]] = {}
        for name, shard in self._shards.items():
            for key, value in shard.metadata().items():
                said.setdefault(key, {})[name] = value
        for key, values in said.items():
            if len({*values.values(), found.get(key, next(iter(values.values())))}) == 1:
                found[key] = next(iter(values.values()))
            else:
                found |= {f"{name}: {key}": value for name, value in values.items()}
        return found

    def policies(self) -> Mapping[str, Policy]:
        return {name: policy for shard in self._shards.values() for name, policy in shard.policies().items()}

    def read(self, name: str) -> Array:
        if name not in self._homes:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        return self._homes[name].read(name)

    def verify(self) -> Iterator[tuple[str, str]]:
        if self.unchecked:
            raise Unsupported(f"plain safetensors files keep no checksums, and {Path(self.unchecked).name} is one")
        return (found for shard in self._shards.values() for found in shard.verify())

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()

    def _require(self, shard: str, named: set[str], found: set[str]) -> None:
        for names, fault in (
            (named - found, f"named in the index and missing from {shard}"),
            (found - named, f"in {shard}, and the index does not say so"),
        ):
            if names:
                raise CheckpointError(f"{self.path}: {min(names)}: {fault}; restore both from one source")
