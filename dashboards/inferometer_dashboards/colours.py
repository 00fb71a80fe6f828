"""Colours of stages: the same on every board and on the live page, told apart by the colour-blind."""

from typing import Final

from inferometer.catalog.stages import Stage

STAGES: Final = {
    Stage.NETWORK: "#4aa3d8",
    Stage.QUEUE: "#e69f00",
    Stage.DESERIALIZE: "#7a8fd6",
    Stage.PREPROCESS: "#cc79a7",
    Stage.EXECUTE: "#009e73",
    Stage.POSTPROCESS: "#8a4f87",
    Stage.SERIALIZE: "#0055a4",
    Stage.REMOTE: "#8d99a6",
    Stage.HANDLER: "#c2500a",
    Stage.OTHER: "#c3cad1",
}
