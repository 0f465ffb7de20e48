"""Reading ONNX graphs: what stands where something else belongs is told as damage."""

from pathlib import Path

import pytest

from gpen_webui.gpen.onnx_file import read_onnx
from gpen_webui.gpen.weight_files import CheckpointError

HUGE = 1 << 40
GRAPH, NODE, INITIALIZER, INPUT = 7, 1, 5, 11


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def number_field(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def bytes_field(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(number_field(NODE, HUGE), id="node"),
        pytest.param(bytes_field(NODE, number_field(4, HUGE)), id="name of an operation"),
        pytest.param(bytes_field(INITIALIZER, number_field(8, HUGE)), id="name of a tensor"),
        pytest.param(bytes_field(INITIALIZER, number_field(9, HUGE)), id="a tensor's numbers"),
        pytest.param(bytes_field(INPUT, number_field(1, HUGE)), id="name of an input"),
    ],
)
def test_a_huge_number_in_place_of_bytes_is_damage_and_takes_no_memory(
    tmp_path: Path, graph: bytes
):
    path = tmp_path / "odd.onnx"
    path.write_bytes(bytes_field(GRAPH, graph))
    with pytest.raises(CheckpointError, match=r"odd\.onnx is damaged"):
        read_onnx(path)
