"""How far back a decoder learns: the norm of a gradient by the distance from the word whose loss it is of."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.bundle import Bundle
from nmt.data.batch import make_batch
from nmt.model.fast.products import readable_steps
from nmt.model.seq2seq import Seq2Seq
from nmt.report.content import NOTHING, Figure, Section, Strip, Table
from nmt.report.svg import Line, legend, line_chart, linear_axis, log_axis
from nmt.tokenizer import EOS

_TITLE = "Gradient by distance"
_SENTENCES = 64
_FARTHEST = 30  # pieces
_SHOWN = (1, 2, 5, 10, 15, 20, 25, 30)  # distances in the table
_MEANING = (
    "Which of the words read before still teach the decoder something: the norm of the gradient of one target piece's "
    "loss with respect to the piece that was read so many steps before the last one, relative to that of the last one; "
    f"on the trained model, averaged over the longest sentences of the set, at most {_SENTENCES}. A straight fall on "
    "this scale is a gradient that vanishes exponentially (Pascanu et al. 2013, section 2)."
)


def gradient_norms(
    model: Seq2Seq,
    src_ids: Int[Tensor, "batch src"],
    src_lengths: Int[Tensor, " batch"],
    tgt_in: Int[Tensor, "batch tgt"],
    last: Int[Tensor, " batch"],
) -> Float[Tensor, " tgt"]:
    """Norm of the gradient of the last word's loss with respect to each word that the decoder has read.

    That is the length of ∂L_T/∂x_{T-k}, with the loss L_T = -log p(y_T) and the embedded input x_{T-k}; it vanishes or
    explodes as k grows (Pascanu et al. 2013, section 2). The source is held fast.

    Args:
        model: the network.
        src_ids: right-padded source ids.
        src_lengths: their lengths, the end included.
        tgt_in: target ids, begun with the begin token, as many in each row.
        last: what follows the last of them.

    Returns:
        The mean over the sentences at distance k = 0, 1, ... from the last input.
    """
    read: list[Tensor] = []

    def follow(_module: nn.Module, _inputs: object, embedded: Tensor) -> Tensor:
        read.append(embedded.detach().requires_grad_())
        return read[-1]

    at_the_end = torch.zeros_like(tgt_in, dtype=torch.bool)
    at_the_end[:, -1] = True
    hook = model.tgt_embedding.register_forward_hook(follow)
    try:
        with torch.enable_grad(), readable_steps():
            loss = -model.log_probs(src_ids, src_lengths, tgt_in, last[:, None].expand_as(tgt_in), at_the_end).sum()
            (gradient,) = torch.autograd.grad(loss, read[-1])  # embeddings may be shared: the target's comes last
    finally:
        hook.remove()
    norms: Tensor = gradient.norm(dim=-1).mean(dim=0).flip(0)
    return norms


def reach(bundle: Bundle, sources: Sequence[str], references: Sequence[str]) -> list[float]:
    """`gradient_norms` of the longest references, cut to the same length; float64, in which no norm vanishes.

    Every distance is averaged over the same sentences: those of at least as many pieces. Sentences that the training
    would have left out are left out here.
    """
    data = bundle.recipe.data
    limit = data.max_length
    read = [source.cut(data.cut_source) for source in bundle.tokenizers.encode_sources(sources)]
    pairs = zip([source.ids for source in read], bundle.tokenizers.encode_targets(references, read), strict=True)
    chosen = sorted(
        (pair for pair in pairs if all(0 < len(ids) <= limit for ids in pair)), key=lambda pair: -len(pair[1])
    )[:_SENTENCES]
    if not chosen:
        return []
    steps = min(_FARTHEST, len(chosen[-1][1]))
    batch = make_batch([source for source, _ in chosen], [target[:steps] for _, target in chosen])
    last = torch.tensor([[*target, EOS][steps] for _, target in chosen])
    norms = gradient_norms(bundle.model.double().eval(), batch.src_ids, batch.src_lengths, batch.tgt_in, last)
    return [float(norm) for norm in norms]


def gradients(names: Sequence[str], norms: Sequence[Sequence[float]]) -> Section:
    """The norms of each run, relative to that at distance 0; none of a run that could not be measured."""
    measured = {name: found for name, found in zip(names, norms, strict=True) if found and found[0]}
    if not measured:
        return Section(_TITLE, ["There is no sentence to measure it on."])
    relative = {name: [value / found[0] for value in found] for name, found in measured.items()}
    shown = [at for at in _SHOWN if any(at < len(found) for found in relative.values())]
    rows = [
        [name, f"{measured[name][0]:.3g}", *(f"{found[at]:.2g}" if at < len(found) else NOTHING for at in shown)]
        for name, found in relative.items()
    ]
    header = ["run", "norm at 0", *map(str, shown)]
    table = Table("Relative norm by distance in pieces", header, rows)
    return Section(_TITLE, [_MEANING], legend(names), [Strip([_curve(names, relative)])], [table])


def _curve(names: Sequence[str], relative: Mapping[str, Sequence[float]]) -> Figure:
    lines = [
        Line(name, [(at, value) for at, value in enumerate(found) if value], names.index(name))
        for name, found in relative.items()
    ]
    distances, values = zip(*(point for line in lines for point in line.points), strict=True)
    x, y = linear_axis("distance in target pieces", distances), log_axis("relative norm", values)
    description = "Gradient norm by distance, a line for each run; the table below has the numbers"
    return Figure("Gradient norm by distance", line_chart(lines, x, y, description))
