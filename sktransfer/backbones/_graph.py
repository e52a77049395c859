"""Which layer of a functional network takes and makes which tensor; cutting and remaking networks.

The public attributes of a layer (`input`, `output`) tell of its first place in any graph, and leave
out bare operations, such as the sum of two tensors. Where that does not do, what made a tensor is
asked of the tensor, as Keras itself does. It has no public name for that: this module is the one
door to what is not public in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def inputs_of(layer: keras.Layer) -> list[Any]:
    """Return the tensors that a layer takes; an input of the network takes none."""
    import keras

    return [] if isinstance(layer, keras.layers.InputLayer) else keras.tree.flatten(layer.input)


def outputs_of(layer: keras.Layer) -> list[Any]:
    """Return the tensors that a layer makes."""
    import keras

    return keras.tree.flatten(layer.output)


def maker_of(tensor: Any) -> keras.Operation:
    """Return the layer or bare operation that makes a tensor."""
    return tensor._keras_history.operation


def sources_of(tensor: Any) -> list[Any]:
    """Return the tensors that a tensor is made from; none for an input."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors


def tensors_of(network: keras.Model) -> list[Any]:
    """Return every tensor that the outputs of a functional network depend on, and these."""
    found: dict[int, Any] = {}
    waiting = list(network.outputs)
    while waiting:
        tensor = waiting.pop()
        if id(tensor) not in found:
            found[id(tensor)] = tensor
            waiting.extend(sources_of(tensor))
    return list(found.values())


def tensors_above(network: keras.Model, tensors: Iterable[Any]) -> dict[int, Any]:
    """Return every tensor that is made from any of some, by its identity."""
    users: dict[int, list[Any]] = {}
    for made in tensors_of(network):
        for source in sources_of(made):
            users.setdefault(id(source), []).append(made)
    above: dict[int, Any] = {}
    waiting = [made for tensor in tensors for made in users.get(id(tensor), ())]
    while waiting:
        made = waiting.pop()
        if id(made) not in above:
            above[id(made)] = made
            waiting.extend(users.get(id(made), ()))
    return above


def remade(
    network: keras.Model,
    remake: Callable[[keras.Layer], keras.Layer],
    call: Callable[..., Any] | None = None,
) -> keras.Model:
    """Return a functional network of the same weights whose layers are made anew.

    `remake` makes a layer of one that has as many weights, and `call`, where it is given, calls it.
    Bare operations hold nothing, and are taken over.
    """
    import keras

    def remake_layer(layer: keras.Operation) -> keras.Operation:
        return remake(layer) if isinstance(layer, keras.Layer) else layer

    made = keras.models.clone_model(network, clone_function=remake_layer, call_function=call)
    for weight, old in zip(made.weights, network.weights, strict=True):
        weight.assign(old)
    return made


def cut_at(network: keras.Model, tensor: Any) -> tuple[keras.Model, keras.Model]:
    """Cut a functional network in two: up to a tensor, and from it to the outputs.

    The first part returns, and the second part takes, the tensor and whatever else leads past it.
    So only the second part has to remember what it computes.
    """
    import keras

    above = tensors_above(network, [tensor])
    needed = [source for made in above.values() for source in sources_of(made)]
    crossing = {id(tensor): tensor}
    crossing |= {id(part): part for part in (*needed, *network.outputs) if id(part) not in above}
    cut = list(crossing.values())
    # Keras makes no network whose input is its output, which a cut at the end would be.
    ends = [keras.layers.Identity()(output) for output in network.outputs]
    return keras.Model(network.inputs, cut), keras.Model(cut, ends)
