"""Loads an export in TensorFlow, both ways, and compares what it predicts with what dime predicted.

Usage: export_check.py --export-dir DIR --format JSON|CSV|EXAMPLE --data FILE.csv --predictions FILE

FILE.csv has lines with all the fields of a record; FILE has dime's prediction for each, one JSON object a line.
"""
import argparse
import ast
import csv
import json
import os
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
ABSOLUTE, RELATIVE = 1e-4, 1e-5  # Floats are added in different orders, and raw inputs make large logits.
SIGNATURES = {
    "JSON": {"predict", "serving_default"},
    "CSV": {"predict", "serving_default", "classification", "regression"},
    "EXAMPLE": {"predict", "serving_default", "classification", "regression"},
}


def check(condition, text):
    if not condition:
        raise AssertionError(text)
    print(f"ok: {text}")


def plain(scalar):
    """A scalar of the YAML that dime writes: quoted where that is needed."""
    return ast.literal_eval(scalar) if scalar.startswith('"') else scalar


class Records:
    """The test lines, and the requests that are made of them."""

    def __init__(self, data, description):
        self.fields = [{"name": name, "type": kind, "default": plain(default)} for name, kind, default in
                       re.findall(r"^    - {name: ([^,]+), type: ([^,]+), default: (.*)}$", description, re.M)]
        separator = plain(re.search(r"^  separator: (.*)$", description, re.M).group(1))
        with open(data, newline="") as file:
            self.lines = file.read().splitlines()
        quoting = csv.QUOTE_NONE if "\n  quoting: none\n" in description else csv.QUOTE_MINIMAL
        self.rows = list(csv.reader(self.lines, delimiter=separator, quoting=quoting))

    def column(self, index):
        field = self.fields[index]
        texts = [row[index] for row in self.rows]
        if field["type"] == "string":
            return np.array([text.encode() for text in texts], dtype=object)
        return np.array([float(text or field["default"]) for text in texts], np.float32)

    def columns(self, names):
        return {f["name"]: self.column(i) for i, f in enumerate(self.fields) if f["name"] in names}

    def examples(self):
        columns = self.columns({field["name"] for field in self.fields})
        serialized = []
        for i in range(len(self.rows)):
            example = tf.train.Example()
            for name, values in columns.items():
                feature = example.features.feature[name]
                if values.dtype == object:
                    feature.bytes_list.value.append(values[i])
                else:
                    feature.float_list.value.append(values[i])
            serialized.append(example.SerializeToString())
        return np.array(serialized, dtype=object)

    def request(self, keys, export_format):
        """The inputs of the predict signature."""
        if export_format == "JSON":
            return self.columns(keys)
        (key,) = keys
        if export_format == "CSV":
            return {key: np.array([line.encode() for line in self.lines], dtype=object)}
        return {key: self.examples()}


def close(ours, theirs):
    return np.all(np.abs(ours - theirs) <= ABSOLUTE + RELATIVE * np.abs(theirs))


def check_predictions(ours, theirs, what):
    logits = theirs["logits"]
    check(logits.shape == (len(ours["logits"]), 1), f"{what}: one logit for each of {len(logits)} rows")
    difference = np.max(np.abs(ours["logits"] - logits), initial=0)
    check(close(ours["logits"], logits), f"{what}: logits are dime's (largest difference {difference:.2g})")
    for name in ("logistic", "probabilities"):
        check(theirs[name].dtype == np.float32 and close(ours[name], theirs[name]), f"{what}: {name} are dime's")
    clear = np.abs(logits) > ABSOLUTE  # Around 0 either class may come out.
    check(np.array_equal(ours["class_ids"][clear], theirs["class_ids"][clear]), f"{what}: class_ids are dime's")
    check(theirs["class_ids"].dtype == np.int64, f"{what}: class_ids are int64")
    expected = np.array([[str(i).encode()] for i in theirs["class_ids"][:, 0]], dtype=object)
    check(np.array_equal(theirs["classes"], expected), f"{what}: classes are the ids as text")


def check_classification(outputs, predicted, what):
    check(set(outputs) == {"classes", "scores"}, f"{what}: classes and scores")
    check(np.array_equal(outputs["scores"], predicted["probabilities"]), f"{what}: scores are the probabilities")
    check(np.array_equal(outputs["classes"], [[b"0", b"1"]] * len(outputs["scores"])), f"{what}: classes are 0 and 1")


def check_all(run, signatures, request, ours, export_format, what):
    """`run(signature name, inputs)` gives outputs as arrays."""
    check(set(signatures) == SIGNATURES[export_format], f"{what}: signatures {sorted(signatures)}")
    predicted = run("predict", request)
    check_predictions(ours, predicted, what)
    if export_format == "JSON":
        again = run("serving_default", request)
        check(np.array_equal(again["logits"], predicted["logits"]), f"{what}: serving_default is predict")
        return
    (strings,) = request.values()
    for name in ("serving_default", "classification"):
        check_classification(run(name, {"inputs": strings}), predicted, f"{what} {name}")
    regression = run("regression", {"inputs": strings})
    check(np.array_equal(regression["outputs"], predicted["logistic"]), f"{what}: regression gives logistic")


def load_v2(export_dir):
    model = tf.saved_model.load(export_dir)

    def run(name, inputs):
        outputs = model.signatures[name](**{k: tf.constant(v, shape=(len(v),)) for k, v in inputs.items()})
        return {key: value.numpy() for key, value in outputs.items()}

    return model.signatures.keys(), run, len(model.variables)


def load_v1(export_dir):
    session = v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta_graph = v1.saved_model.load(session, ["serve"], export_dir)
    signatures = meta_graph.signature_def

    def run(name, inputs):
        signature = signatures[name]
        fetches = {key: info.name for key, info in signature.outputs.items()}
        outputs = session.run(fetches, {signature.inputs[key].name: value for key, value in inputs.items()})
        for key, info in signature.outputs.items():
            sizes = [d.size for d in info.tensor_shape.dim]
            check(len(sizes) == outputs[key].ndim and all(s in (-1, n) for s, n in zip(sizes, outputs[key].shape)),
                  f"{name}: {key} has the shape {sizes} that it is said to have")
        return outputs

    return signatures, run, meta_graph


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--export-dir", required=True)
    parser.add_argument("--format", required=True, choices=SIGNATURES)
    parser.add_argument("--data", required=True)
    parser.add_argument("--predictions", required=True)
    args = parser.parse_args()

    with open(f"{args.export_dir}/assets.extra/dime/model.yaml") as file:
        records = Records(args.data, file.read())
    with open(args.predictions) as file:
        predictions = [json.loads(line) for line in file]
    ours = {key: np.array([p[key] for p in predictions]) for key in predictions[0]}
    check(len(predictions) == len(records.rows), f"{len(predictions)} predictions for as many lines")

    signatures, run, meta_graph = load_v1(args.export_dir)
    print(f"{len(meta_graph.graph_def.node)} nodes")
    keys = set(signatures["predict"].inputs)
    request = records.request(keys, args.format)
    check(set(request) == keys, f"the request has the signature's {len(keys)} inputs")
    check_all(run, signatures, request, ours, args.format, "v1")
    nobody = {key: values[:0] for key, values in request.items()}
    check(run("predict", nobody)["logits"].shape == (0, 1), "v1: an empty batch gives empty predictions")

    signatures, run, num_variables = load_v2(args.export_dir)
    check_all(run, signatures, request, ours, args.format, "v2")
    check(num_variables == len(tf.train.list_variables(f"{args.export_dir}/variables/variables")),
          f"v2: the {num_variables} variables of the checkpoint are there")


if __name__ == "__main__":
    main()
