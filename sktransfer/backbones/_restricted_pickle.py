"""Reads pickles that hold data alone, and can neither run anything nor take more than they are.

A pickle is a program. Here its instructions are carried out one by one, by code that knows the few
that data need: strings, numbers, tuples, lists, dictionaries with strings as keys, and calls of the
functions that the reader was given. ``pickle.Unpickler`` would know more: it sets attributes of
whatever it is shown, makes room for as many notes as an instruction says, and computes the hash of
any key, for which a kilobyte of tuples within tuples can need years.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from sktransfer._errors import WeightsError

__all__ = ["read_pickle"]

_LITERALS = set(
    ["BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "LONG1", "SHORT_BINUNICODE"]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_WITHOUT_EFFECT = {"PROTO", "FRAME", "STOP"}


def read_pickle(stream: BinaryIO, known: Mapping[str, Any], refer: Callable[[Any], Any]) -> Any:
    """Read one pickle from where a stream stands, and leave the stream behind it.

    Parameters
    ----------
    stream : BytesIO
        The stream; of one in memory no more is read than there is, whatever a length says.
    known : mapping of str to object
        What a pickle may name, by ``module.name``; functions among it can be called.
    refer : callable
        Makes the object that a reference to something outside the pickle stands for.

    Raises
    ------
    WeightsError
        If the pickle names or does anything else.
    Exception
        Of any type, if the pickle is damaged.
    """
    machine = _Machine(known, refer)
    for instruction, argument, _ in pickletools.genops(stream):
        machine.do(instruction.name, argument)
    return machine.result()


class _Machine:
    """The stack and the notes of a pickle that is being read."""

    def __init__(self, known: Mapping[str, Any], refer: Callable[[Any], Any]) -> None:
        self._known = known
        self._refer = refer
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below the marks
        self._notes: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self._stack.append(tuple(self._pop_several(_TUPLES[name])))
        elif name not in _WITHOUT_EFFECT:
            self._method(name)(self, argument)

    @staticmethod
    def _method(name: str) -> Callable[[_Machine, Any], None]:
        try:
            return _METHODS[name]
        except KeyError:
            raise WeightsError(
                f"the file has the instruction {name}, which weights have no need of"
            ) from None

    def result(self) -> Any:
        """Return what the pickle has built."""
        (result,) = self._stack
        return result

    def _pop_several(self, count: int) -> list[Any]:
        return [self._stack.pop() for _ in range(count)][::-1]

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._below.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _tuple(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append(tuple(items))

    def _empty_list(self, _: Any) -> None:
        self._stack.append([])

    def _append(self, _: Any) -> None:
        self._extend(self._pop_several(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _set_item(self, _: Any) -> None:
        self._update(self._pop_several(2))

    def _set_items(self, _: Any) -> None:
        self._update(self._pop_to_mark())

    def _update(self, items: list[Any]) -> None:
        keys, values = items[::2], items[1::2]
        for key in keys:
            if type(key) is not str:
                raise WeightsError(f"a dictionary has a key of type {type(key).__name__}")
        self._top(dict).update(zip(keys, values, strict=True))

    def _top(self, kind: type) -> Any:
        if type(self._stack[-1]) is not kind:
            raise WeightsError(f"the file adds to a {type(self._stack[-1]).__name__}")
        return self._stack[-1]

    def _put(self, number: int) -> None:
        self._notes[number] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._put(len(self._notes))

    def _get(self, number: int) -> None:
        self._stack.append(self._notes[number])

    def _global(self, name: str) -> None:
        self._look_up(name.replace(" ", "."))

    def _stack_global(self, _: Any) -> None:
        module, name = self._pop_several(2)
        self._look_up(f"{module:s}.{name:s}")

    def _look_up(self, name: str) -> None:
        if name not in self._known:
            raise WeightsError(f"the file asks for {name[:100]!a}, which weights have no need of")
        self._stack.append(self._known[name])

    def _call(self, _: Any) -> None:
        function, arguments = self._pop_several(2)
        if not callable(function) or type(arguments) is not tuple:
            raise WeightsError("the file calls what is no function")
        self._stack.append(function(*arguments))

    def _persistent(self, _: Any) -> None:
        self._stack.append(self._refer(self._stack.pop()))

    def _build(self, _: Any) -> None:
        # The attributes of a dictionary: there, PyTorch keeps the versions of its modules.
        self._stack.pop()
        self._top(dict)


_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "BINGET": _Machine._get,
    "BINPERSID": _Machine._persistent,
    "BINPUT": _Machine._put,
    "BUILD": _Machine._build,
    "EMPTY_DICT": _Machine._empty_dict,
    "EMPTY_LIST": _Machine._empty_list,
    "GLOBAL": _Machine._global,
    "LONG_BINGET": _Machine._get,
    "LONG_BINPUT": _Machine._put,
    "MARK": _Machine._mark,
    "MEMOIZE": _Machine._memoize,
    "REDUCE": _Machine._call,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "STACK_GLOBAL": _Machine._stack_global,
    "TUPLE": _Machine._tuple,
}
