"""Saves arrays that are spread over 8 devices of the host, in a process of its own: python sharding.py FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DEVICES = 8


def main(folder: Path) -> None:
    """Save one folder by StandardCheckpointer and one step by CheckpointManager."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import orbax.checkpoint as ocp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    assert len(jax.devices()) == DEVICES
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("x", "y"))
    tree = {
        "grid": jax.device_put(jnp.arange(64.0).reshape(8, 8), NamedSharding(mesh, PartitionSpec("x", "y"))),
        "rows": jax.device_put(
            jnp.arange(24, dtype=jnp.bfloat16).reshape(8, 3), NamedSharding(mesh, PartitionSpec("x"))
        ),
        "everywhere": jax.device_put(jnp.array([1 + 2j, -3j]), NamedSharding(mesh, PartitionSpec())),
    }
    with ocp.StandardCheckpointer() as saver:
        saver.save(folder / "standard", {"params": tree})
    with ocp.CheckpointManager(folder / "manager") as manager:
        manager.save(3, args=ocp.args.StandardSave({"params": tree}))


if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    main(Path(sys.argv[1]))
