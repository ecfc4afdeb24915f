"""Stacked LSTM cells and attention through time, step by step forwards and backwards, without autograd.

Everything a step computes lies in buffers [time batch ...] that were made before the first step. What a gradient needs
of all steps together (the weights' gradients, those of the memory and the keys) is one product after the last step.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nmt.model.attention import masked_softmax
from nmt.model.fast.products import product
from nmt.model.fast.tanh import tanh_into

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Stack:
    """LSTM layers through time, the equations of `nmt.model.fast.layers.lstm_gates` with their gradients.

    The bottom layer reads a word, whose part of the gates is computed beforehand, and `extra` (the fed attentional
    vector, or the context); each other layer the one below.
    """

    def __init__(
        self,
        words: Float[Tensor, "time batch gates"],
        weights: Sequence[Float[Tensor, "gates _"]],
        biases: Sequence[Float[Tensor, " gates"]],
        dropped: Sequence[Float[Tensor, "time batch hid"] | None],
        hidden: Float[Tensor, "layers batch hid"],
        cell: Float[Tensor, "layers batch hid"],
    ) -> None:
        """Makes the buffers.

        Args:
            words: part of the bottom layer's gates that comes from the words, biases included.
            weights: of each layer, for [what it reads; its own last state]; at the bottom without the word.
            biases: of each layer but the bottom one.
            dropped: dropout between a layer and the next: what each value is multiplied by; None for no dropout.
            hidden: the first hidden states.
            cell: the first cell states.
        """
        time, batch, size = *words.shape[:2], hidden.shape[2]
        self.size = size
        self.words, self.weights, self.biases, self.dropped = words, weights, biases, dropped
        self.inputs = [words.new_empty(time + 1, batch, weight.shape[1]) for weight in weights]
        self.gates = [words.new_empty(time, batch, 4 * size) for _ in weights]
        self.cells = [words.new_empty(time + 1, batch, size) for _ in weights]
        self.squashed = [words.new_empty(time, batch, size) for _ in weights]  # tanh of the cells
        for layer in range(len(weights)):
            self.inputs[layer][0, :, -size:] = hidden[layer]
            self.cells[layer][0] = cell[layer]

    def extra(self, time: int) -> Float[Tensor, "batch extra"]:
        """Where what the bottom layer reads beside the word at this time is to be written."""
        return self.inputs[0][time, :, : -self.size]

    def top(self, time: int) -> Float[Tensor, "batch hid"]:
        """The top layer's state before the step at this time."""
        return self.inputs[-1][time, :, -self.size :]

    def tops(self) -> Float[Tensor, "time batch hid"]:
        """The top layer's state after each step."""
        return self.inputs[-1][1:, :, -self.size :]

    def step(self, time: int) -> None:
        """One step of all layers."""
        size = self.size
        for layer, weight in enumerate(self.weights):
            if layer:
                below = self.inputs[layer - 1][time + 1, :, -size:]
                self.inputs[layer][time, :, :-size] = self._drop(layer, time, below)
            gates, cell = self.gates[layer][time], self.cells[layer][time + 1]
            rest = self.biases[layer - 1] if layer else self.words[time]
            torch.add(product(self.inputs[layer][time], weight), rest, out=gates)
            gates[:, : 2 * size].sigmoid_()
            gates[:, 3 * size :].sigmoid_()
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
            tanh_into(candidate, candidate)
            torch.mul(forget_gate, self.cells[layer][time], out=cell)
            cell.addcmul_(input_gate, candidate)
            squashed = tanh_into(self.squashed[layer][time], cell)
            torch.mul(output_gate, squashed, out=self.inputs[layer][time + 1, :, -size:])

    def end(self) -> None:
        """After the last step: backward does not read what the words gave to the gates."""
        del self.words

    def _drop(self, layer: int, time: int, values: Float[Tensor, "batch hid"]) -> Float[Tensor, "batch hid"]:
        """Dropout of what a layer reads from the one below, or of its gradient."""
        dropped = self.dropped[layer - 1]
        return values if dropped is None else values * dropped[time]

    def begin_backward(self) -> None:
        """Makes the buffers of the gradients; nothing is known of what comes after the last step."""
        self.d_gates = [torch.empty_like(gates) for gates in self.gates]
        self.d_hidden = [torch.zeros_like(cell[0]) for cell in self.cells]
        self.d_cell = [torch.zeros_like(cell[0]) for cell in self.cells]

    def step_backward(self, time: int) -> Float[Tensor, "batch extra"]:
        """From the gradients of the states after the step (`d_hidden`, `d_cell`) to those before it.

        Returns:
            The gradient of what the bottom layer read beside the word.
        """
        size = self.size
        lower = self.d_hidden[0]
        for layer in reversed(range(len(self.weights))):
            input_gate, forget_gate, candidate, output_gate = self.gates[layer][time].chunk(4, dim=1)
            d_input, d_forget, d_candidate, d_output = self.d_gates[layer][time].chunk(4, dim=1)
            squashed, d_hidden, d_cell = self.squashed[layer][time], self.d_hidden[layer], self.d_cell[layer]
            _sigmoid_backward(d_hidden * squashed, output_gate, grad_input=d_output)
            d_cell.add_(_tanh_backward(d_hidden * output_gate, squashed))
            _sigmoid_backward(d_cell * candidate, input_gate, grad_input=d_input)
            _sigmoid_backward(d_cell * self.cells[layer][time], forget_gate, grad_input=d_forget)
            _tanh_backward(d_cell * input_gate, candidate, grad_input=d_candidate)
            d_cell.mul_(forget_gate)
            d_inputs = product(self.d_gates[layer][time], self.weights[layer].t())
            lower, self.d_hidden[layer] = d_inputs[:, :-size], d_inputs[:, -size:]
            if layer:
                self.d_hidden[layer - 1] = self.d_hidden[layer - 1] + self._drop(layer, time, lower)
        return lower

    def gradients(self) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
        """Of the weights, of the biases, and of the first hidden and cell states; that of `words` is `d_gates[0]`."""
        weights = [
            product(d_gates.flatten(0, 1).t(), inputs[:-1].flatten(0, 1).t())
            for d_gates, inputs in zip(self.d_gates, self.inputs, strict=True)
        ]
        biases = [d_gates.sum((0, 1)) for d_gates in self.d_gates[1:]]
        return weights, biases, torch.stack(self.d_hidden), torch.stack(self.d_cell)


class DotSteps:
    """The score q'k of a query with each key."""

    def __init__(self, keys: Float[Tensor, "batch src hid"]) -> None:
        self.keys = keys

    def begin_backward(self) -> None:
        """Nothing is summed step by step."""

    def scores(self, query: Float[Tensor, "batch hid"]) -> Float[Tensor, "batch src"]:
        """The unnormalised scores."""
        return torch.bmm(query[:, None, :], self.keys.transpose(1, 2))[:, 0]

    def backward(
        self, query: Float[Tensor, "batch hid"], d_scores: Float[Tensor, "batch src"]
    ) -> Float[Tensor, "batch hid"]:
        """The gradient of the query."""
        return torch.bmm(d_scores[:, None, :], self.keys)[:, 0]

    def gradients(
        self, queries: Float[Tensor, "time batch hid"], d_scores: Float[Tensor, "time batch src"]
    ) -> tuple[Tensor, ...]:
        """Of the keys."""
        return (torch.bmm(d_scores.permute(1, 2, 0), queries.transpose(0, 1)),)


class AdditiveSteps:
    """The score v' tanh(W q + k). Backwards the tanh is computed again: kept, it would take most of the memory."""

    def __init__(
        self, keys: Float[Tensor, "batch src att"], weight: Float[Tensor, "att hid"], score: Float[Tensor, " att"]
    ) -> None:
        self.keys, self.weight, self.score = keys, weight, score

    def begin_backward(self) -> None:
        """Makes the sums that the steps add to."""
        self.d_keys, self.d_score = torch.zeros_like(self.keys), torch.zeros_like(self.score)
        self.d_projected: list[Tensor] = []  # from the last step to the first

    def scores(self, query: Float[Tensor, "batch hid"]) -> Float[Tensor, "batch src"]:
        """The unnormalised scores."""
        return torch.matmul(self._squashed(query), self.score)

    def backward(
        self, query: Float[Tensor, "batch hid"], d_scores: Float[Tensor, "batch src"]
    ) -> Float[Tensor, "batch hid"]:
        """The gradient of the query; adds to those of the keys and of v."""
        squashed = self._squashed(query)
        self.d_score.addmv_(squashed.flatten(0, 1).t(), d_scores.flatten())
        d_sum = _tanh_backward(d_scores[:, :, None] * self.score, squashed)
        self.d_keys.add_(d_sum)
        self.d_projected.append(d_sum.sum(1))
        return product(self.d_projected[-1], self.weight.t())

    def gradients(
        self, queries: Float[Tensor, "time batch hid"], d_scores: Float[Tensor, "time batch src"]
    ) -> tuple[Tensor, ...]:
        """Of the keys, of W and of v."""
        d_projected = torch.cat(self.d_projected[::-1])
        return self.d_keys, product(d_projected.t(), queries.flatten(0, 1).t()), self.d_score

    def _squashed(self, query: Tensor) -> Float[Tensor, "batch src att"]:
        hidden = product(query, self.weight)[:, None, :] + self.keys
        return tanh_into(hidden, hidden)


class Attention:
    """Score, masked softmax and weighted mean of the memory through time."""

    def __init__(
        self,
        steps: DotSteps | AdditiveSteps,
        memory: Float[Tensor, "batch src enc"],
        mask: Bool[Tensor, "batch src"],
        time: int,
    ) -> None:
        self.steps, self.memory, self.mask = steps, memory, mask
        self.weights = memory.new_empty(time, *memory.shape[:2])

    def step(self, time: int, query: Float[Tensor, "batch hid"]) -> Float[Tensor, "batch enc"]:
        """The context of a query."""
        weights = masked_softmax(self.steps.scores(query)[:, None, :], self.mask)
        self.weights[time] = weights[:, 0]
        return torch.bmm(weights, self.memory)[:, 0]

    def begin_backward(self, d_weights: Float[Tensor, "time batch src"] | None) -> None:
        """Takes the gradient of the weights themselves, if they are used beside the contexts."""
        self.steps.begin_backward()
        self.given = d_weights
        self.d_scores = torch.empty_like(self.weights)
        self.d_contexts = self.memory.new_empty(len(self.weights), self.memory.shape[0], self.memory.shape[2])

    def step_backward(
        self, time: int, query: Float[Tensor, "batch hid"], d_context: Float[Tensor, "batch enc"]
    ) -> Float[Tensor, "batch hid"]:
        """The gradient of the query."""
        self.d_contexts[time] = d_context
        d_weights = torch.bmm(d_context[:, None, :], self.memory.transpose(1, 2))[:, 0]
        if self.given is not None:
            d_weights = d_weights + self.given[time]
        weights = self.weights[time]
        weighted = weights * d_weights
        d_scores = self.d_scores[time]
        torch.sub(weighted, weights * weighted.sum(1, keepdim=True), out=d_scores)
        return self.steps.backward(query, d_scores)

    def gradients(self, queries: Float[Tensor, "time batch hid"]) -> tuple[Tensor, ...]:
        """Of the memory, and of what the score reads: the keys and its weights."""
        d_memory = torch.bmm(self.weights.permute(1, 2, 0), self.d_contexts.transpose(0, 1))
        return d_memory, *self.steps.gradients(queries, self.d_scores)
