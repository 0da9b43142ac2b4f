"""Saves and restores arrays that are spread over devices of the host, in processes of its own.

``python sharding.py save|restore|write|load FOLDER DEVICES PROCESS PROCESSES PORT``: one of some processes, each with
so many devices.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

ROWS, COLUMNS = "x", "y"
SPREAD: dict[str, tuple[str | None, ...]] = {"grid": (ROWS, COLUMNS), "rows": (ROWS,), "everywhere": ()}
"""By name: over which side of the grid of devices each dimension is spread."""


def run(verb: str, folder: Path, devices: int, processes: int = 1) -> None:
    """Start the processes and wait for them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, verb, str(folder), str(devices)]
    started = [subprocess.Popen([*command, *map(str, (rank, processes, port))]) for rank in range(processes)]
    try:
        codes = [process.wait(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    assert codes == [0] * processes


def values() -> dict[str, Any]:
    """All of each array. Parts of the large ones are in files of their own, those of the small one in the index."""
    import ml_dtypes
    import numpy as np

    return {
        "grid": np.arange(4096, dtype=np.float32).reshape(64, 64),
        "rows": np.arange(1536).reshape(64, 24).astype(ml_dtypes.bfloat16),
        "everywhere": np.array([1 + 2j, -3j], np.complex64),
    }


def spread(columns: int) -> dict[str, Any]:
    """How each array is spread over a grid of all devices of all processes, that many of them in a row."""
    import jax
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()).reshape(-1, columns), (ROWS, COLUMNS))
    return {name: NamedSharding(mesh, PartitionSpec(*sides)) for name, sides in SPREAD.items()}


def save(folder: Path, columns: int) -> None:
    """Save one folder by StandardCheckpointer and one step by CheckpointManager. A file of Constate is not for arrays
    of which other processes have parts."""
    import jax
    import orbax.checkpoint as ocp

    shardings = spread(columns)
    tree = {
        name: jax.make_array_from_callback(whole.shape, shardings[name], lambda where, whole=whole: whole[where])
        for name, whole in values().items()
    }
    with ocp.StandardCheckpointer() as saver:
        saver.save(folder / "standard", {"params": tree})
    with ocp.CheckpointManager(folder / "manager") as manager:
        manager.save(3, args=ocp.args.StandardSave({"params": tree}))
    if jax.process_count() > 1:
        refuse(folder, tree)


def refuse(folder: Path, tree: dict[str, Any]) -> None:
    """Fail unless Constate refuses what is spread over processes, and writes nothing."""
    from constate.errors import Refused
    from constate_flax import linen

    for name, array in tree.items():
        path = folder / f"{name}.safetensors"
        try:
            linen.save({"params": {name: array}}, path)
        except Refused as error:
            assert f"{list(array.shape)} of which a part is in another process" in str(error)
            assert name != "everywhere" and not path.exists()
        else:
            assert name == "everywhere"


def restore(folder: Path, columns: int) -> None:
    """Restore what ``standard`` holds."""
    import jax
    import orbax.checkpoint as ocp

    shardings = spread(columns)
    wanted = {
        name: jax.ShapeDtypeStruct(whole.shape, whole.dtype, sharding=shardings[name])
        for name, whole in values().items()
    }
    with ocp.StandardCheckpointer() as saver:
        put_parts(folder, saver.restore(folder / "standard", {"params": wanted})["params"])


def write(folder: Path, columns: int) -> None:
    """Save the file ``m.safetensors`` by Constate, in one process."""
    import jax

    from constate_flax import linen

    shardings = spread(columns)
    tree = {name: jax.device_put(whole, shardings[name]) for name, whole in values().items()}
    linen.save({"params": tree}, folder / "m.safetensors")


def load(folder: Path, columns: int) -> None:
    """Load that file by Constate."""
    import jax
    import numpy as np

    from constate_flax import linen

    shardings = spread(columns)
    target = {
        name: jax.make_array_from_callback(
            whole.shape, shardings[name], lambda where, whole=whole: np.zeros_like(whole[where])
        )
        for name, whole in values().items()
    }
    found = linen.load({"params": target}, folder / "m.safetensors")["params"]
    assert all(found[name].sharding == shardings[name] for name in found)
    put_parts(folder, found)


def put_parts(folder: Path, found: dict[str, Any]) -> None:
    """Put the parts that this process has into files of their own, each named by the process, the array, and where in
    it the part is."""
    import jax

    for name, array in found.items():
        for part in array.addressable_shards:
            sides = [side.indices(size)[:2] for side, size in zip(part.index, array.shape, strict=True)]
            where = ",".join(f"{begin}:{end}" for begin, end in sides)
            (folder / f"{jax.process_index()} {name} {where}").write_bytes(jax.device_get(part.data).tobytes())


def main(verb: str, folder: str, devices: str, rank: str, processes: str, port: str) -> None:
    """The work of one process."""
    import jax

    if processes != "1":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(f"localhost:{port}", int(processes), int(rank))
    assert len(jax.devices()) == int(devices) * int(processes)
    # Where each process has several devices, its own are a row; else the devices are a column.
    columns = int(devices) if processes != "1" else 2
    {"save": save, "restore": restore, "write": write, "load": load}[verb](Path(folder), columns)


if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={sys.argv[3]}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    main(*sys.argv[1:])
