"""The backbone is frozen for transfer learning: waking it later is a choice and no accident, worth a warning at
most."""

import keras

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"G07"})
INPUTS: list[str] = ["f32[2,8,8,3]"]


def build() -> keras.Model:
    backbone = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(8, kernel_size=3, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ],
        name="backbone",
    )
    backbone.trainable = False
    return keras.Sequential([keras.Input((8, 8, 3)), backbone, keras.layers.Dense(4)])
