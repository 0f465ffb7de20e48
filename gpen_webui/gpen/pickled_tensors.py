"""Which tensors a pickle of PyTorch's describes, without running or allocating anything.

A pickle is a program for a small stack machine. Python's own machine runs whatever functions the
program names, and reserves whatever memory it asks for. The one here knows the few instructions
that `torch.save` writes, makes nothing but numbers, texts, lists and dictionaries, and notes
instead of building them which tensors there would be.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

# The classes of storages that files name: the kind of their numbers, and the bytes of each.
STORAGES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "QInt8Storage": ("quantised int8", 1),
    "QUInt8Storage": ("quantised uint8", 1),
    "QInt32Storage": ("quantised int32", 4),
}
MAX_STEPS = 300_000  # gpen-bfr-512 takes 8,000
DENSE = ("_rebuild_tensor_v2", "_rebuild_tensor")
ODD_KINDS = (
    ("sparse", "a sparse tensor"),
    ("qtensor", "a quantised tensor"),
    ("meta", "a tensor without numbers"),
    ("nested", "a nested tensor"),
)
HARMLESS_OF_TORCH = re.compile(
    r"torch (\w+Storage|[bc]?float\w*|complex\w*|q?u?int\w*|bool|half|double|Size|device"
    r"|per_\w+|sparse_\w+|strided)"
    r"|torch\._utils _rebuild_\w+|torch\.serialization _get_layout"
    r"|torch\._tensor _rebuild_from_type_v2|torch\.nn\.parameter Parameter"
    r"|torch\.storage (UntypedStorage|TypedStorage)|collections OrderedDict"
)


class UnsafePickleError(Exception):
    """The pickle names something that is not part of a tensor and could run code."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers somewhere else in the file. number_bytes: that each of them takes."""

    numbers: str
    number_bytes: int
    key: str
    count: int


@dataclass(frozen=True)
class PickledTensor:
    """A tensor: a view of a storage; offset and stride count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class OddTensor:
    """Something that is no plain tensor. kind: in words."""

    kind: str


@dataclass(frozen=True)
class _Name:
    """A name that the pickle would have imported."""

    module: str
    name: str


def read_pickle(stream: IO[bytes], storages: dict[str, Storage] | None = None) -> Any:
    """The next pickle of a stream, as dictionaries, lists, tuples, texts, numbers, and the classes
    of this module. storages: receives every storage that it names, by key.

    Raises UnsafePickleError; ValueError where it is damaged or not one of PyTorch's.
    """
    machine = _Machine({} if storages is None else storages)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MAX_STEPS:
                raise ValueError("it is too long")
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is damaged") from error


class _Machine:
    def __init__(self, storages: dict[str, Storage]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in PUSH_ARGUMENT:
            self.stack.append(argument)
        elif opcode in PUSH_NEW:
            self.stack.append(PUSH_NEW[opcode]())
        else:
            OPERATIONS[opcode](self, argument)

    def pop_to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def tuple_of_marked(self, _: None) -> None:
        items = tuple(self.pop_to_mark())
        self.stack.append(items)

    def tuple_of_last(self, count: int) -> None:
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def append_marked(self, _: None) -> None:
        items = self.pop_to_mark()
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):  # hashing what is nested deeply can overflow
                raise ValueError("a key is no text")
            target[key] = value

    def global_name(self, argument: str) -> None:
        if not HARMLESS_OF_TORCH.fullmatch(argument):
            raise UnsafePickleError(argument)
        self.stack.append(_Name(*argument.split(" ")))

    def stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.global_name(f"{module} {name}")

    def reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_rebuild(function, arguments))

    def persistent(self, _: None) -> None:
        """A storage: ("storage", its class, key, device, count of numbers, ...)."""
        kind, storage_class, key, _device, count, *_ = self.stack.pop()
        if kind != "storage" or not _is_count(count):
            raise ValueError("a storage is described wrongly")
        storage = Storage(*STORAGES[storage_class.name], str(key), count)
        self.storages[storage.key] = storage
        self.stack.append(storage)


def _rebuild(function: _Name, arguments: tuple) -> Any:
    """What a call in the pickle stands for."""
    if function.name == "OrderedDict":
        return {}  # filled by the instructions that follow
    if function.name == "Size":
        return tuple(arguments[0])
    if function.name.startswith("_rebuild_parameter"):
        return arguments[0]
    if function.name in DENSE and isinstance(arguments[0], Storage):
        storage, offset, shape, stride = arguments[:4]
        if not all(_is_count(number) for number in (offset, *shape, *stride)):
            raise ValueError("a tensor is described wrongly")
        return PickledTensor(storage, offset, tuple(shape), tuple(stride))
    for sign, kind in ODD_KINDS:
        if sign in function.name:
            return OddTensor(kind)
    return OddTensor("a tensor of an unusual kind")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 40


PUSH_ARGUMENT = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES".split()
)
PUSH_NEW: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
OPERATIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_of_marked,
    "TUPLE1": lambda machine, _: machine.tuple_of_last(1),
    "TUPLE2": lambda machine, _: machine.tuple_of_last(2),
    "TUPLE3": lambda machine, _: machine.tuple_of_last(3),
    "BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "LONG_BINPUT": lambda machine, place: machine.memo.update({place: machine.stack[-1]}),
    "MEMOIZE": lambda machine, _: machine.memo.update({len(machine.memo): machine.stack[-1]}),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.stack[-2].append(machine.stack.pop()),
    "APPENDS": _Machine.append_marked,
    "GLOBAL": _Machine.global_name,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": lambda machine, _: machine.stack.pop(),  # attributes: of no use here
    "BINPERSID": _Machine.persistent,
}
