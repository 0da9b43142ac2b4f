"""The modules that are ported, and which of them are twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

FRAMEWORKS = ("torch", "linen", "nnx", "keras")


@dataclass(frozen=True)
class Twins:
    """One module in several frameworks.

    Args:
        made_by: by framework: the file and the factory.
        inputs: what PyTorch's is called with, channels first.
        images: whether inputs of three axes and more are images, whose channels come last elsewhere.
    """

    made_by: dict[str, str]
    inputs: tuple[str, ...]
    images: bool = False

    def factory(self, framework: str) -> str:
        """What makes it, as it is named on the command line."""
        return f"porting.models.{framework}.{self.made_by[framework]}"

    def called_with(self, framework: str) -> list[str]:
        """Descriptions of its inputs."""
        if not self.images or framework == "torch":
            return list(self.inputs)
        return [_channels_last(text) for text in self.inputs]

    def pairs(self) -> list[tuple[str, str]]:
        """Every ordered pair of frameworks."""
        return list(permutations(self.made_by, 2))


def _channels_last(text: str) -> str:
    dtype, _, sizes = text.removesuffix("]").partition("[")
    samples, channels, *space = sizes.split(",")
    return f"{dtype}[{','.join([samples, *space, channels])}]"


def everywhere(name: str, frameworks: Sequence[str] = FRAMEWORKS) -> dict[str, str]:
    return dict.fromkeys(frameworks, name)


MODELS = {
    "lenet": Twins(everywhere("lenet:build"), ("f32[4,1,28,28]",), images=True),
    "resnet18": Twins(everywhere("resnet18:build"), ("f32[4,3,32,32]",), images=True),
    "unet": Twins(everywhere("unet:build"), ("f32[2,3,16,16]",), images=True),
    "transformer": Twins(everywhere("transformer:build"), ("i64[2,7]<50", "i64[2,6]<50")),
    "lstm_tagger": Twins(everywhere("lstm_tagger:build"), ("i64[3,5]<50",)),
    "gru_tagger": Twins(everywhere("lstm_tagger:build_gru", ("torch", "linen", "keras")), ("i64[3,5]<50",)),
    "mobilenet_v2": Twins(
        {**everywhere("mobilenet_v2:build", ("torch", "nnx")), "keras": "applications:mobilenet_v2"},
        ("f32[2,3,64,64]",),
        images=True,
    ),
    "resnet50": Twins(
        {**everywhere("resnet50:build", ("torch", "linen")), "keras": "applications:resnet50"},
        ("f32[2,3,64,64]",),
        images=True,
    ),
}

ZOO = {
    "dense": Twins(everywhere("zoo:dense"), ("i64[4,6]<11",)),
    "convolutions": Twins(
        everywhere("zoo:convolutions"), ("f32[2,4,12]", "f32[2,4,8,8]", "f32[2,4,5,5,5]"), images=True
    ),
    "recurrent": Twins(everywhere("zoo:recurrent"), ("f32[3,5,6]",)),
    "attention": Twins(everywhere("zoo:attention"), ("f32[2,5,8]", "f32[2,7,6]")),
    "nameless": Twins(everywhere("nameless:build"), ("f32[2,5,8]",)),
    "without_nnx": Twins(everywhere("zoo:without_nnx", ("torch", "linen", "keras")), ("f32[3,5,6]",)),
    "without_flax": Twins(everywhere("zoo:without_flax", ("torch", "keras")), ("f32[3,5,6]",)),
}
