"""Pictures of attention."""

import io
from pathlib import Path

from nmt.align import Alignment
from nmt.text import write_bytes

LARGEST_PICTURE = 80
"""Pieces on a side up to which a picture can be looked at."""


def draw_alignment(alignment: Alignment, path: Path) -> None:
    """Draws a heat map, source pieces from left to right and target pieces downwards; black is much attention.

    Bahdanau et al. 2015, figure 3, shows the same in white on black.

    Args:
        alignment: the attention of one translation.
        path: the PNG to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    target_size, source_size = alignment.weights.shape
    figure = Figure(figsize=(1.6 + 0.32 * source_size, 1.4 + 0.28 * target_size), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(alignment.weights.numpy(), cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
    # A dollar sign would start mathematics.
    source, target = ([piece.replace("$", r"\$") for piece in side] for side in (alignment.source, alignment.target))
    axes.set_xticks(range(source_size), source, rotation=90)
    axes.set_yticks(range(target_size), target)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=8)
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_bytes(path, picture.getvalue())
