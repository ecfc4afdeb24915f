"""Whole targets at once: the decoders of `nmt.model.decoder`, unrolled with gradients written by hand.

What no later step depends on is done for all steps together, by ordinary layers: the words' part of the gates before
the loop, deep outputs after it. Without input feeding the recurrence needs no attention, and is one LSTM.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nmt.model.attention import (
    AdditiveScore,
    DotScore,
    GeneralScore,
    GlobalAttention,
    ScaledScore,
    Score,
    Source,
    masked_softmax,
)
from nmt.model.cells import StackedCell
from nmt.model.coverage import CoverageAttention
from nmt.model.decoder import BahdanauDecoder, Decoder, DecoderState, LuongDecoder, PlainDecoder
from nmt.model.decoder import unroll as readable_unroll
from nmt.model.fast.dropout import dropout, kept
from nmt.model.fast.layers import LSTMCell
from nmt.model.fast.loops import AdditiveSteps, Attention, DotSteps, Stack
from nmt.model.fast.products import linear, product
from nmt.model.fast.tanh import tanh_into

Unrolled = tuple[Float[Tensor, "batch tgt out"], Float[Tensor, "batch tgt src"] | None]


def unroll(decoder: Decoder, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState, source: Source) -> Unrolled:
    """See `nmt.model.decoder.unroll`, to which it is equal up to rounding and the draws of dropout.

    A decoder that has only its readable step takes that.
    """
    if slow_part(decoder):
        return readable_unroll(decoder, embedded, state, source)
    if isinstance(decoder, LuongDecoder | BahdanauDecoder) and isinstance(decoder.attention, CoverageAttention):
        # It is off. Its weights take part all the same, with a gradient of 0, for which other processes wait.
        rest = [decoder.attention.covered, decoder.attention.coverage]
        nothing = sum(weight.sum() for part in rest for weight in part.parameters()) * 0.0
        embedded = embedded + nothing
        source = replace(source, keys=source.keys[..., : decoder.attention.size])
    match decoder:
        case LuongDecoder():
            return _luong(decoder, embedded, state, source)
        case BahdanauDecoder():
            return _bahdanau(decoder, embedded, state, source)
        case _:
            assert isinstance(decoder, PlainDecoder)
            return _lstm(decoder.cell, embedded, state), None


def slow_part(decoder: Decoder) -> str | None:
    """The name of a part whose step is not unrolled here; a subclass may do something else, so it counts, too."""
    parts: list[tuple[Any, tuple[type, ...]]] = [(decoder, (LuongDecoder, BahdanauDecoder, PlainDecoder))]
    if isinstance(decoder, LuongDecoder | BahdanauDecoder):
        off = isinstance(decoder.attention, CoverageAttention) and not decoder.attention.on
        parts.append((decoder.attention, (GlobalAttention, CoverageAttention) if off else (GlobalAttention,)))
        if isinstance(decoder.attention, GlobalAttention):
            parts.append((decoder.attention.score, (DotScore, GeneralScore, ScaledScore, AdditiveScore)))
    if isinstance(decoder, LuongDecoder | BahdanauDecoder | PlainDecoder):
        parts += [(cell, (LSTMCell,)) for cell in decoder.cell.cells]
        if decoder.cell.variational:
            return "variational dropout"
        if decoder.cell.residual:
            return "a residual stack"
    return next((type(part).__name__ for part, known in parts if type(part) not in known), None)


def _lstm(
    cell: StackedCell, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState
) -> Float[Tensor, "batch tgt hid"]:
    """A stack of layers whose inputs are all known, one layer after the other."""
    states = embedded
    for layer, part in enumerate(cell.cells):
        assert isinstance(part, nn.LSTMCell)
        first = state.hidden[layer][None].contiguous(), state.cell[layer][None].contiguous()
        weights = [part.weight_ih, part.weight_hh, part.bias_ih, part.bias_hh]
        below = dropout(states, cell.dropout.p, cell.training) if layer else states
        states, _, _ = torch.lstm(below, first, weights, True, 1, 0.0, cell.training, False, True)
    return states


def _luong(
    decoder: LuongDecoder, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState, source: Source
) -> Unrolled:
    weight = decoder.combine.weight
    if not decoder.feed_size:
        top = _lstm(decoder.cell, embedded, state)
        contexts, weights = _attend(_score(decoder), top, source)
        return torch.tanh(linear(torch.cat([contexts, top], dim=-1), weight)), weights
    stack = _stacked(decoder.cell, embedded, state)
    outputs, weights = _LuongLoop.apply(  # type: ignore[no-untyped-call]
        len(decoder.cell.cells), source.mask, weight, state.feed, *stack, *_attended(_score(decoder), source)
    )
    return outputs.transpose(0, 1), weights.transpose(0, 1)


def _bahdanau(
    decoder: BahdanauDecoder, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState, source: Source
) -> Unrolled:
    stack = _stacked(decoder.cell, embedded, state)
    tops, contexts, weights = _BahdanauLoop.apply(  # type: ignore[no-untyped-call]
        len(decoder.cell.cells), source.mask, *stack, *_attended(_score(decoder), source)
    )
    after = tops.transpose(0, 1)
    before = torch.cat([state.hidden[-1][:, None], after[:, :-1]], dim=1)
    return decoder.output(before, after, contexts.transpose(0, 1), embedded), weights.transpose(0, 1)


def _score(decoder: LuongDecoder | BahdanauDecoder) -> Score:
    assert isinstance(decoder.attention, GlobalAttention | CoverageAttention)
    return decoder.attention.score


def _attend(
    score: Score, queries: Float[Tensor, "batch tgt hid"], source: Source
) -> tuple[Float[Tensor, "batch tgt enc"], Float[Tensor, "batch tgt src"]]:
    """The contexts of queries that are all known, and the weights."""
    if isinstance(score, AdditiveScore):
        contexts, weights = _AttentionLoop.apply(  # type: ignore[no-untyped-call]
            queries.transpose(0, 1), source.mask, *_attended(score, source)
        )
        return contexts.transpose(0, 1), weights.transpose(0, 1)
    weights = masked_softmax(score(queries, source.keys), source.mask)
    return torch.bmm(weights, source.memory), weights


def _stacked(
    cell: StackedCell, embedded: Float[Tensor, "batch tgt emb"], state: DecoderState
) -> tuple[Tensor | None, ...]:
    """What `Stack` needs: the words' part, first states, then for each layer its weight, its bias and its dropout."""
    words = embedded.transpose(0, 1)
    width = words.shape[2]
    tensors: list[Tensor | None] = []
    for layer, part in enumerate(cell.cells):
        assert isinstance(part, nn.LSTMCell)
        bias = part.bias_ih + part.bias_hh
        if layer == 0:
            tensors += [linear(words, part.weight_ih[:, :width], bias), state.hidden, state.cell]
            tensors.append(torch.cat([part.weight_ih[:, width:], part.weight_hh], dim=1))
        else:
            tensors += [torch.cat([part.weight_ih, part.weight_hh], dim=1), bias]
            drops = cell.training and cell.dropout.p > 0
            like = words[:, :, :1].expand(-1, -1, part.hidden_size)
            tensors.append(kept(like, cell.dropout.p) if drops else None)
    return tuple(tensors)


def _attended(score: Score, source: Source) -> tuple[Tensor, ...]:
    """What `Attention` needs: the memory, the keys, and the weights of the score if it has any."""
    if isinstance(score, AdditiveScore):
        return source.memory, source.keys, score.query.weight, score.score.weight[0]
    return source.memory, source.keys


def _make_stack(layers: int, tensors: Sequence[Any]) -> tuple[Stack, Sequence[Tensor]]:
    """The stack, and the tensors that are not its own."""
    words, hidden, cell, weight, *rest = tensors
    upper, rest = rest[: 3 * (layers - 1)], rest[3 * (layers - 1) :]
    return Stack(words, [weight, *upper[::3]], upper[1::3], upper[2::3], hidden, cell), rest


def _stack_gradients(stack: Stack) -> list[Tensor | None]:
    """In the order of `_stacked`."""
    weights, biases, hidden, cell = stack.gradients()
    upper = [(weight, bias, None) for weight, bias in zip(weights[1:], biases, strict=True)]
    return [stack.d_gates[0], hidden, cell, weights[0], *itertools.chain.from_iterable(upper)]


def _make_attention(mask: Tensor, time: int, tensors: Sequence[Tensor]) -> Attention:
    memory, keys, *weights = tensors
    steps = AdditiveSteps(keys, *weights) if weights else DotSteps(keys)
    return Attention(steps, memory, mask, time)


def _keep(ctx: Any, *parts: Any) -> None:
    """Keeps what backward needs: tensors, and parts with all of theirs, which autograd guards and frees.

    What forward returns are views of the buffers: themselves they would keep their own graph alive.
    """
    tensors: list[Tensor] = []
    ctx.parts = [_put_away(part, tensors) for part in parts]
    ctx.save_for_backward(*tensors)
    ctx.set_materialize_grads(False)


def _take(ctx: Any) -> list[Any]:
    """What was kept; parts are new ones with the same tensors, and whatever backward adds to them goes with them.

    Raises:
        RuntimeError: if a tensor has changed, or the graph was freed by an earlier backward.
    """
    tensors = ctx.saved_tensors
    return [_take_out(part, tensors) for part in ctx.parts]


@dataclass(frozen=True)
class _Place:
    """Stands for a tensor in a list."""

    number: int


_Part = Stack | Attention | DotSteps | AdditiveSteps


def _put_away(value: Any, tensors: list[Tensor]) -> Any:
    """A copy without tensors, which go to the list."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return _Place(len(tensors) - 1)
    return _copy(value, lambda inner: _put_away(inner, tensors))


def _take_out(value: Any, tensors: Sequence[Tensor]) -> Any:
    """The reverse."""
    return tensors[value.number] if isinstance(value, _Place) else _copy(value, lambda inner: _take_out(inner, tensors))


def _copy(value: Any, inner: Callable[[Any], Any]) -> Any:
    """A part or a list with other contents; anything else as it is."""
    if isinstance(value, list | tuple):
        return [inner(entry) for entry in value]
    if not isinstance(value, _Part):
        return value
    copied = object.__new__(type(value))
    vars(copied).update({name: inner(entry) for name, entry in vars(value).items()})
    return copied


class _LuongLoop(torch.autograd.Function):
    """Luong et al. 2015, sections 3.1 and 3.3: state, attention, attentional vector, which is fed to the next step."""

    @staticmethod
    def forward(
        ctx: Any, layers: int, mask: Tensor, combine: Tensor, feed: Tensor, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        stack, rest = _make_stack(layers, tensors)
        time, batch = stack.words.shape[:2]
        attention = _make_attention(mask, time, rest)
        outputs = stack.words.new_empty(time, batch, len(combine))
        inputs = stack.words.new_empty(time, batch, combine.shape[1])  # [context; state]
        width = attention.memory.shape[2]
        stack.extra(0).copy_(feed)
        for now in range(time):
            stack.step(now)
            top = stack.top(now + 1)
            inputs[now, :, :width] = attention.step(now, top)
            inputs[now, :, width:] = top
            tanh_into(outputs[now], product(inputs[now], combine))
            if now + 1 < time:
                stack.extra(now + 1).copy_(outputs[now])
        stack.end()
        _keep(ctx, stack, attention, combine, inputs, outputs)
        return outputs.view_as(outputs), attention.weights.view_as(attention.weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor | None, d_weights: Tensor | None) -> tuple[Tensor | None, ...]:
        stack, attention, combine, inputs, outputs = _take(ctx)
        width = attention.memory.shape[2]
        stack.begin_backward()
        attention.begin_backward(d_weights)
        d_combined = torch.zeros_like(outputs) if d_outputs is None else d_outputs.clone()
        d_feed = torch.zeros_like(outputs[0])
        for now in reversed(range(len(outputs))):
            d_output = d_combined[now]
            torch.ops.aten.tanh_backward(d_output.add_(d_feed), outputs[now], grad_input=d_output)
            d_inputs = product(d_output, combine.t())
            d_query = attention.step_backward(now, stack.top(now + 1), d_inputs[:, :width])
            stack.d_hidden[-1] = stack.d_hidden[-1] + d_inputs[:, width:] + d_query
            d_feed = stack.step_backward(now)
        d_combine = product(d_combined.flatten(0, 1).t(), inputs.flatten(0, 1).t())
        of_stack, of_attention = _stack_gradients(stack), attention.gradients(stack.tops())
        return None, None, d_combine, d_feed, *of_stack, *of_attention


class _BahdanauLoop(torch.autograd.Function):
    """Bahdanau et al. 2015, appendix A.2.2: attention by the state before the step, whose context enters the cell."""

    @staticmethod
    def forward(ctx: Any, layers: int, mask: Tensor, *tensors: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        stack, rest = _make_stack(layers, tensors)
        attention = _make_attention(mask, len(stack.words), rest)
        for now in range(len(stack.words)):
            stack.extra(now).copy_(attention.step(now, stack.top(now)))
            stack.step(now)
        stack.end()
        contexts = stack.inputs[0][:-1, :, : -stack.size]
        _keep(ctx, stack, attention)
        return stack.tops().clone(), contexts.clone(), attention.weights.view_as(attention.weights)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_tops: Tensor | None, d_contexts: Tensor | None, d_weights: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        stack, attention = _take(ctx)
        stack.begin_backward()
        attention.begin_backward(d_weights)
        for now in reversed(range(len(attention.weights))):
            if d_tops is not None:
                stack.d_hidden[-1] = stack.d_hidden[-1] + d_tops[now]
            d_context = stack.step_backward(now)
            if d_contexts is not None:
                d_context = d_context + d_contexts[now]
            d_query = attention.step_backward(now, stack.top(now), d_context)
            stack.d_hidden[-1] = stack.d_hidden[-1] + d_query
        queries = stack.inputs[-1][:-1, :, -stack.size :]
        return None, None, *_stack_gradients(stack), *attention.gradients(queries)


class _AttentionLoop(torch.autograd.Function):
    """Additive attention by queries that are all known; one by one, for the tanh of all of them is too large."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, mask: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        attention = _make_attention(mask, len(queries), tensors)
        contexts = torch.stack([attention.step(now, query) for now, query in enumerate(queries)])
        _keep(ctx, queries, attention)
        return contexts, attention.weights.view_as(attention.weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_contexts: Tensor | None, d_weights: Tensor | None) -> tuple[Tensor | None, ...]:
        queries, attention = _take(ctx)
        attention.begin_backward(d_weights)
        if d_contexts is None:
            d_contexts = queries.new_zeros(*queries.shape[:2], attention.memory.shape[2])
        steps = [attention.step_backward(now, queries[now], d_contexts[now]) for now in reversed(range(len(queries)))]
        return torch.stack(steps[::-1]), None, *attention.gradients(queries)
