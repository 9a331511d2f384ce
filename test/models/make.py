#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small ONNX models beside this file (pip install onnx==1.17.0 numpy).

The results are committed, so the tests need neither Python nor onnx; run this only to change them.
"""
import os

from onnx import TensorProto as T
from onnx import checker, helper, save

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {
    "bool": T.BOOL, "uint8": T.UINT8, "uint16": T.UINT16, "uint32": T.UINT32, "uint64": T.UINT64,
    "int8": T.INT8, "int16": T.INT16, "int32": T.INT32, "int64": T.INT64, "fp16": T.FLOAT16,
    "fp32": T.FLOAT, "fp64": T.DOUBLE, "bytes": T.STRING,
}


def value(name, element, shape):
    return helper.make_tensor_value_info(name, element, shape)


def write(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(
        graph, ir_version=8,
        opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)])
    checker.check_model(model)
    save(model, os.path.join(HERE, name + ".onnx"))


def add():
    """sum = a + b by rows of three."""
    write("add", [helper.make_node("Add", ["a", "b"], ["sum"])],
          [value("a", T.FLOAT, ["N", 3]), value("b", T.FLOAT, ["N", 3])],
          [value("sum", T.FLOAT, ["N", 3])])


def fixed():
    """The same for exactly two rows."""
    write("fixed", [helper.make_node("Add", ["a", "b"], ["sum"])],
          [value("a", T.FLOAT, [2, 3]), value("b", T.FLOAT, [2, 3])],
          [value("sum", T.FLOAT, [2, 3])])


def types():
    """Each element type through an Identity of its own."""
    write("types", [helper.make_node("Identity", [n + "_in"], [n + "_out"]) for n in TYPES],
          [value(n + "_in", t, ["N", 1]) for n, t in TYPES.items()],
          [value(n + "_out", t, ["N", 1]) for n, t in TYPES.items()])


def mixed():
    """Numbers and strings in; a score and a label out, as a classifier has them.

    score = x + 10 * code(city), code: paris 1, rome 2, else 0; label = "high" where score > 15.
    """
    nodes = [
        helper.make_node("LabelEncoder", ["city"], ["code"], domain="ai.onnx.ml",
                         keys_strings=["paris", "rome"], values_floats=[1.0, 2.0],
                         default_float=0.0),
        helper.make_node("Mul", ["code", "ten"], ["scaled"]),
        helper.make_node("Add", ["x", "scaled"], ["score"]),
        helper.make_node("Greater", ["score", "limit"], ["is_high"]),
        helper.make_node("Cast", ["is_high"], ["flag"], to=T.INT64),
        helper.make_node("LabelEncoder", ["flag"], ["label"], domain="ai.onnx.ml",
                         keys_int64s=[0, 1], values_strings=["low", "high"]),
    ]
    write("mixed", nodes, [value("x", T.FLOAT, ["N", 1]), value("city", T.STRING, ["N", 1])],
          [value("label", T.STRING, ["N", 1]), value("score", T.FLOAT, ["N", 1])],
          [helper.make_tensor("ten", T.FLOAT, [1], [10.0]),
           helper.make_tensor("limit", T.FLOAT, [1], [15.0])])


def nonzero():
    """Looks like a row model but answers a row for each input that is not zero."""
    write("nonzero", [helper.make_node("NonZero", ["x"], ["found"]),
                      helper.make_node("Transpose", ["found"], ["places"], perm=[1, 0])],
          [value("x", T.FLOAT, ["N"])], [value("places", T.INT64, ["M", 1])])


def drops():
    """The same with a width that only a run tells, so that its outputs cannot be made beforehand."""
    write("drops", [helper.make_node("NonZero", ["x"], ["found"]),
                    helper.make_node("Transpose", ["found"], ["column"], perm=[1, 0]),
                    helper.make_node("Mul", ["x", "nil"], ["nothing"]),
                    helper.make_node("ReduceMax", ["nothing"], ["most"], keepdims=1),
                    helper.make_node("Cast", ["most"], ["less"], to=T.INT64),
                    helper.make_node("Sub", ["one", "less"], ["width"]),
                    helper.make_node("Concat", ["rest", "width"], ["shape"], axis=0),
                    helper.make_node("Reshape", ["column", "shape"], ["places"])],
          [value("x", T.FLOAT, ["N"])], [value("places", T.INT64, ["M", "W"])],
          [helper.make_tensor("nil", T.FLOAT, [1], [0.0]),
           helper.make_tensor("one", T.INT64, [1], [1]),
           helper.make_tensor("rest", T.INT64, [1], [-1])])


def free():
    """Two free dimensions: a matrix product."""
    write("free", [helper.make_node("MatMul", ["a", "b"], ["product"])],
          [value("a", T.FLOAT, ["N", "K"]), value("b", T.FLOAT, ["K", "M"])],
          [value("product", T.FLOAT, ["N", "M"])])


def picky():
    """Fails while running where index is out of range."""
    write("picky", [helper.make_node("Gather", ["table", "index"], ["value"])],
          [value("index", T.INT64, ["N"])], [value("value", T.FLOAT, ["N"])],
          [helper.make_tensor("table", T.FLOAT, [3], [0.5, 1.5, 2.5])])


def sequence():
    """An output that is no tensor, as scikit-learn's ZipMap makes it."""
    out = helper.make_tensor_sequence_value_info("parts", T.FLOAT, None)
    write("sequence", [helper.make_node("SequenceConstruct", ["x"], ["parts"])],
          [value("x", T.FLOAT, ["N", 1])], [out])


if __name__ == "__main__":
    for make in (add, fixed, types, mixed, nonzero, drops, free, picky, sequence):
        make()
