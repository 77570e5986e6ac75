"""Feature columns give what TensorFlow's own feature columns give: an estimator with the same columns, built by hand,
takes the variables of dime's export and computes dime's logits.

Usage: columns_test.py MAKE_EXPORT
"""
import csv
import json
import os
import pathlib
import random
import subprocess
import sys

from harness import check, scratch_dir

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf

DESCRIPTION = """
input:
  fields:
    - {name: size, type: float, default: 1.5}
    - {name: color, type: string, default: ""}
    - {name: count, type: integer, default: 7}
    - {name: shape, type: string, default: ""}
    - {name: label, type: string, default: "no"}
label: {field: label, vocabulary: ["no", "yes"]}
columns:
  size: {kind: numeric}
  count: {kind: numeric}
  color: {kind: vocabulary_list, vocabulary: ["red", "green", "blue"]}
  shape: {kind: hash_bucket, buckets: 7}
  size_bucketized: {kind: bucketized, source: size, boundaries: [-1.5, 0, 2.25]}
  count_bucketized: {kind: bucketized, source: count, boundaries: [3]}
  color_X_shape: {kind: crossed, keys: [shape, color], buckets: 50, hash_key: 12345678901}
  color_X_count_bucketized_X_shape:
    {kind: crossed, keys: [shape, {column: count_bucketized}, {column: color}], buckets: 400}
  shape_X_size_bucketized: {kind: crossed, keys: [{column: size_bucketized}, shape], buckets: 60}
  color_indicator: {kind: indicator, source: color}
  color_X_count_bucketized_X_shape_indicator: {kind: indicator, source: color_X_count_bucketized_X_shape}
  shape_embedding: {kind: embedding, source: shape, dimension: 3}
  count_bucketized_embedding: {kind: embedding, source: count_bucketized, dimension: 2}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [color, shape, size_bucketized, count_bucketized, color_X_shape, color_X_count_bucketized_X_shape,
                   shape_X_size_bucketized]
  dnn_columns: [size, count, color_indicator, color_X_count_bucketized_X_shape_indicator, shape_embedding,
                count_bucketized_embedding]
  hidden_units: [6, 4]
  dnn_optimizer: {kind: adagrad, learning_rate: 0.05}
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
"""
HIDDEN_UNITS = [6, 4]
SIZES = ["", "-1.5", "0", "2.25", "2.2499", "-7.25", "1e3"]
COLORS = ["red", "green", "blue", "purple", ""]
COUNTS = ["", "3", "2", "4", "-9", "1000"]
SHAPES = ["", "round", " round", "square", "x" * 70, "☃"]


def estimator(model_dir):
    fc = tf.feature_column
    size, count = fc.numeric_column("size"), fc.numeric_column("count")
    color = fc.categorical_column_with_vocabulary_list("color", ["red", "green", "blue"])
    shape = fc.categorical_column_with_hash_bucket("shape", 7)
    size_bucketized = fc.bucketized_column(size, [-1.5, 0, 2.25])
    count_bucketized = fc.bucketized_column(count, [3])
    two = fc.crossed_column(["shape", "color"], 50, hash_key=12345678901)
    three = fc.crossed_column(["shape", count_bucketized, color], 400)
    of_sizes = fc.crossed_column([size_bucketized, "shape"], 60)
    return tf.compat.v1.estimator.DNNLinearCombinedClassifier(
        model_dir=str(model_dir), dnn_hidden_units=HIDDEN_UNITS,
        linear_feature_columns=[color, shape, size_bucketized, count_bucketized, two, three, of_sizes],
        dnn_feature_columns=[size, count, fc.indicator_column(color), fc.indicator_column(three),
                             fc.embedding_column(shape, 3), fc.embedding_column(count_bucketized, 2)])


def features(rows):
    number = lambda text, default: float(text or default)
    return {"size": np.array([[number(row[0], 1.5)] for row in rows], np.float32),
            "color": np.array([[row[1]] for row in rows]),
            "count": np.array([[number(row[2], 7)] for row in rows], np.float32),
            "shape": np.array([[row[3]] for row in rows])}


def main(make_export):
    scratch = scratch_dir()
    pick = random.Random(1).choice
    rows = [[pick(SIZES), pick(COLORS), pick(COUNTS), pick(SHAPES), "yes"] for _ in range(600)]
    with open(scratch / "data.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    (scratch / "model.yaml").write_text(DESCRIPTION)
    export, predictions = scratch / "export", scratch / "predictions"
    subprocess.run([make_export, scratch / "model.yaml", "", "JSON", export, scratch / "data.csv", predictions], check=True)
    ours = [json.loads(line)["logits"][0] for line in predictions.read_text().splitlines()]
    batch = lambda: tf.data.Dataset.from_tensors(features(rows))
    theirs = [float(p["logits"][0]) for p in
              estimator(scratch / "unused").predict(batch, checkpoint_path=str(pathlib.Path(export) / "variables/variables"))]
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-5)
    check(len(set(np.round(theirs, 4))) > 300, "600 records of all columns have the logits of TensorFlow's feature columns")


main(sys.argv[1])
