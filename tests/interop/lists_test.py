"""Lists, weights, integers as ids, shapes and shared tables are what TensorFlow makes of them: fed the same rows from the
same checkpoint, both end with the same variables and metrics, and TensorFlow runs the exports of each format.

TensorFlow looks up row 0 for examples that have no id, with a gradient of 0, which dime does not. Some optimizers move a
row even then: they are tried on rows where every example has ids.

Usage: lists_test.py DIME
"""
import csv
import random
import sys

from beside_tensorflow import check_same_metrics, check_same_variables, copy_checkpoint, make_estimator
from harness import Dime, check, scratch_dir

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
fc = tf.feature_column

FIRST, SECOND, THIRD = 6, 40, 50  # Steps where one hands over to the other.
BATCH_SIZE, NUM_ROWS = 40, 400
GENRES = ["comedy", "drama", "crime"]
COLORS = ["red", "green", "dark blue"]

PAGE = """
input:
  header_lines: 1
  fields:
    - {name: genres, type: string, values: any}
    - {name: genre_weights, type: float, values: any}
    - {name: user, type: integer, default: -1}
    - {name: friend, type: integer, default: -1}
    - {name: item, type: integer}
    - {name: parts, type: integer, values: any, value_separator: " "}
    - {name: point, type: float, values: 3, value_separator: ";"}
    - {name: color, type: string}
    - {name: price, type: float}
    - {name: importance, type: float}
    - {name: answer, type: string}
label: {field: answer, vocabulary: ["no", "yes"], weight_field: importance}
columns:
  genres: {kind: vocabulary_list, vocabulary: [comedy, drama, crime], oov_buckets: 3}
  genres_weighted_by_genre_weights: {kind: weighted, source: genres, weight_field: genre_weights}
  raw_genres: {kind: hash_bucket, field: genres, buckets: 11}
  user: {kind: hash_bucket, buckets: 5}
  friend: {kind: hash_bucket, buckets: 5}
  item: {kind: identity, buckets: 10, default_id: 3}
  parts: {kind: identity, buckets: 6}
  color: {kind: vocabulary_file, file: colors.txt}
  color_weighted_by_price: {kind: weighted, source: color, weight_field: price}
  point: {kind: numeric, normalizer: {kind: z_score, mean: 0.5, stddev: 2}}
  price: {kind: numeric, normalizer: {kind: log}}
  point_bucketized: {kind: bucketized, source: point, boundaries: [-0.5, 0, 0.5]}
  price_bucketized: {kind: bucketized, source: price, boundaries: [0.5, 1]}
  color_X_genres_X_item: {kind: crossed, keys: [color, {column: genres}, {column: item}], buckets: 40, hash_key: 12345}
  genres_X_parts: {kind: crossed, keys: [{column: genres}, {column: parts}], buckets: 7}
  color_X_user: {kind: crossed, keys: [user, color], buckets: 50}
  genres_indicator: {kind: indicator, source: genres}
  genres_weighted_by_genre_weights_indicator: {kind: indicator, source: genres_weighted_by_genre_weights}
  point_bucketized_indicator: {kind: indicator, source: point_bucketized}
  parts_indicator: {kind: indicator, source: parts}
  genres_weighted_by_genre_weights_embedding:
    {kind: embedding, source: genres_weighted_by_genre_weights, dimension: 2, combiner: mean}
  color_weighted_by_price_embedding: {kind: embedding, source: color_weighted_by_price, dimension: 2, combiner: sqrtn}
  raw_genres_embedding: {kind: embedding, source: raw_genres, dimension: 3, combiner: sum}
  parts_embedding: {kind: embedding, source: parts, dimension: 2, combiner: sqrtn}
  genres_X_parts_embedding: {kind: embedding, source: genres_X_parts, dimension: 2}
  user_shared_embedding:
    {kind: shared_embedding, source: user, dimension: 4, combiner: sqrtn, collection: friend_user_shared_embedding}
  friend_shared_embedding:
    {kind: shared_embedding, source: friend, dimension: 4, combiner: sqrtn, collection: friend_user_shared_embedding}
estimator:
  kind: KIND
"""
LINEAR_COLUMNS = """
  linear_columns: [genres_weighted_by_genre_weights, raw_genres, user, item, parts, color, point, price_bucketized,
                   point_bucketized, color_X_genres_X_item, genres_X_parts, color_X_user]
  linear_optimizer: """
DNN_COLUMNS = """
  dnn_columns: [point, price, genres_indicator, genres_weighted_by_genre_weights_indicator, point_bucketized_indicator,
                parts_indicator, genres_weighted_by_genre_weights_embedding, color_weighted_by_price_embedding,
                raw_genres_embedding, parts_embedding, genres_X_parts_embedding, user_shared_embedding,
                friend_shared_embedding]
  hidden_units: [6, 4]
  dnn_optimizer: """

# kind; whether some examples have no ids; the optimizers of the deep and of the linear part, as the page has them and as
# TensorFlow makes them.
CASES = [
    ("DNNLinearCombinedClassifier", True, ("{kind: adagrad, learning_rate: 0.05}", lambda: v1.train.AdagradOptimizer(0.05)),
     ("{kind: ftrl, learning_rate: 0.1, l1: 0.001, l2: 0.01}",
      lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.001, l2_regularization_strength=0.01))),
    ("DNNLinearCombinedClassifier", False,
     ("{kind: proximal_adagrad, learning_rate: 0.05, l1: 0.001, l2: 0.01}",
      lambda: v1.train.ProximalAdagradOptimizer(0.05, l1_regularization_strength=0.001, l2_regularization_strength=0.01)),
     ("{kind: ftrl, learning_rate: 0.1, l2_shrinkage: 0.02}",
      lambda: v1.train.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.02))),
    ("DNNClassifier", False, ("{kind: rmsprop, learning_rate: 0.01}", lambda: v1.train.RMSPropOptimizer(0.01)), None),
    ("LinearClassifier", True, None, ("{kind: adam, learning_rate: 0.01}", lambda: v1.train.AdamOptimizer(0.01))),
]


def make_rows(with_empty):
    pick = random.Random(7)
    least = 0 if with_empty else 1
    rows = []
    for _ in range(NUM_ROWS):
        genres = [pick.choice(GENRES + ["horror", "western", " drama"]) for _ in range(pick.randrange(least, 4))]
        weights = [pick.choice([0.5, 1, 2, 3.25] + [-1] * with_empty) for _ in genres]
        parts = [pick.randrange(6) for _ in range(pick.randrange(least, 3))]
        point = [round(pick.gauss(0.5, 2), 2) for _ in range(3)]
        user, friend = pick.randrange(2**40), pick.choice([5, 7, 123456] + [-1] * with_empty)
        item, price = pick.randrange(-3, 14), round(pick.expovariate(0.5) + 0.01, 2)
        item = 3 if item == -1 else item
        color = pick.choice(COLORS)
        chance = 1 / (1 + np.exp(-(point[0] + 2 * ("drama" in genres) - (5 in parts))))
        importance = pick.choice([0.25, 1, 3])
        rows.append([genres, weights, user, friend, item, parts, point, color, price, importance,
                     "yes" if pick.random() < chance else "no"])
    return rows


def padded(lists, filler, dtype):
    width = max(1, max(map(len, lists)))
    return np.array([list(values) + [filler] * (width - len(values)) for values in lists], dtype)


def features(rows):
    column = lambda i, dtype: np.array([[row[i]] for row in rows], dtype)
    return {"genres": padded([[g.strip() for g in row[0]] for row in rows], "", object),
            "raw_genres": padded([row[0] for row in rows], "", object),
            "genre_weights": padded([row[1] for row in rows], 0, np.float32),
            "user": column(2, np.int64), "friend": column(3, np.int64), "item": column(4, np.int64),
            "parts": padded([row[5] for row in rows], -1, np.int64),
            "point": np.array([row[6] for row in rows], np.float32),
            "color": column(7, object), "price": column(8, np.float32), "importance": column(9, np.float32)}


def input_fn(rows, first_step=None):
    """All rows once; from a step on: batches in the rows' order, again from the start when they end."""
    labels = np.array([[int(row[10] == "yes")] for row in rows])
    def dataset():
        in_order = tf.data.Dataset.from_tensor_slices((features(rows), labels))
        return in_order.batch(len(rows)) if first_step is None else in_order.repeat().batch(BATCH_SIZE).skip(first_step)
    return dataset


def estimator(model_dir, kind, dnn_optimizer, linear_optimizer):
    int64 = tf.int64
    genres = fc.categorical_column_with_vocabulary_list("genres", GENRES, num_oov_buckets=3)
    weighted = fc.weighted_categorical_column(genres, "genre_weights")
    genre_hash = fc.categorical_column_with_hash_bucket("raw_genres", 11)
    user, friend = (fc.categorical_column_with_hash_bucket(name, 5, dtype=int64) for name in ("user", "friend"))
    item = fc.categorical_column_with_identity("item", 10, default_value=3)
    parts = fc.categorical_column_with_identity("parts", 6)
    color = fc.categorical_column_with_vocabulary_list("color", COLORS)
    colored = fc.weighted_categorical_column(color, "price")
    point = fc.numeric_column("point", shape=(3,), normalizer_fn=lambda x: (x - 0.5) / 2)
    price = fc.numeric_column("price", normalizer_fn=tf.math.log1p)
    point_bucketized = fc.bucketized_column(point, [-0.5, 0, 0.5])
    price_bucketized = fc.bucketized_column(price, [0.5, 1])
    crosses = [fc.crossed_column(["color", genres, item], 40, hash_key=12345), fc.crossed_column([genres, parts], 7),
               fc.crossed_column(["user", "color"], 50)]
    with tf.Graph().as_default():  # They are not to be had otherwise.
        shared = v1.feature_column.shared_embedding_columns([user, friend], 4, "sqrtn")
    linear = [weighted, genre_hash, user, item, parts, color, point, price_bucketized, point_bucketized] + crosses
    deep = [point, price, fc.indicator_column(genres), fc.indicator_column(weighted), fc.indicator_column(point_bucketized),
            fc.indicator_column(parts), fc.embedding_column(weighted, 2, "mean"), fc.embedding_column(colored, 2, "sqrtn"),
            fc.embedding_column(genre_hash, 3, "sum"), fc.embedding_column(parts, 2, "sqrtn"),
            fc.embedding_column(crosses[1], 2)] + shared
    return make_estimator(model_dir, kind, linear, deep, dnn_optimizer, linear_optimizer, weight_column="importance")


def to_line(row):
    join = lambda separator, values: separator.join(map(str, values))
    return [join("|", row[0]), join("|", row[1]), row[2], row[3], row[4], join(" ", row[5]), join(";", row[6]), *row[7:]]


def to_example(row):
    """With the label, which serving passes over."""
    feature = tf.train.Feature
    texts = lambda values: feature(bytes_list=tf.train.BytesList(value=[value.encode() for value in values]))
    floats = lambda values: feature(float_list=tf.train.FloatList(value=values))
    integers = lambda values: feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature={
        "genres": texts(row[0]), "genre_weights": floats(row[1]), "user": integers([row[2]]), "friend": integers([row[3]]),
        "item": integers([row[4]]), "parts": integers(row[5]), "point": floats(row[6]), "color": texts([row[7]]),
        "price": floats([row[8]]), "importance": floats([row[9]]), "answer": texts([row[10]])})).SerializeToString()


def request(rows, export_format, lines, keys):
    if export_format == "CSV":
        return {"csv_row": tf.constant(lines)}
    if export_format == "EXAMPLE":
        return {"example_proto": tf.constant([to_example(row) for row in rows])}
    values = features(rows)
    values["genres"] = values["raw_genres"]
    as_given = lambda key: values[key] if key in ("genres", "genre_weights", "parts", "point") else values[key][:, 0]
    return {key: tf.constant(as_given(key)) for key in keys}


def run_case(dime, scratch, number, kind, with_empty, dnn, linear):
    (dnn_text, dnn_optimizer), (linear_text, linear_optimizer) = dnn or ("", None), linear or ("", None)
    folder = scratch / str(number)
    folder.mkdir()
    data = folder / "rows.csv"
    rows = make_rows(with_empty)
    write_rows(rows, data)
    lines = data.read_text().splitlines()[1:]
    page = folder / "model.yaml"
    page.write_text(PAGE.replace("KIND", kind) + (LINEAR_COLUMNS + linear_text if linear else "") +
                    (DNN_COLUMNS + dnn_text if dnn else "") + "\n")
    (folder / "colors.txt").write_text("\r\n".join(COLORS) + "\r\n")

    def train(job_dir, steps, export_format="CSV", train_files=data):
        return dime.train(job_dir, own=["--model", page, "--order", "as-read"], train_files=train_files,
                          eval_files=data, train_batch_size=BATCH_SIZE, train_steps=steps,
                          eval_batch_size=NUM_ROWS, eval_steps=0, export_format=export_format)

    def theirs(job_dir):
        return estimator(job_dir, kind, dnn_optimizer, linear_optimizer)

    metrics = train(folder / "dime", FIRST)["metrics"]
    copy_checkpoint(folder / "dime", FIRST, folder / "tensorflow")
    check_same_metrics(metrics, theirs(folder / "tensorflow").evaluate(input_fn(rows)), f"{kind}: dime's checkpoint")
    theirs(folder / "tensorflow").train(input_fn(rows, FIRST), max_steps=SECOND)
    train(folder / "dime", SECOND)
    check_same_variables(folder / f"dime/model.ckpt-{SECOND}", folder / f"tensorflow/model.ckpt-{SECOND}", kind)

    with tf.io.TFRecordWriter(str(folder / "rows.tfrecord")) as writer:
        for row in rows:
            writer.write(to_example(row))
    train(folder / "records", SECOND, train_files=folder / "rows.tfrecord")
    checkpoints = [(folder / job / f"model.ckpt-{SECOND}.data-00000-of-00001").read_bytes() for job in ("dime", "records")]
    check(checkpoints[0] == checkpoints[1], f"{kind}: TensorFlow's TFRecords train to the bytes that CSV does")

    predictions = list(theirs(folder / "dime").predict(input_fn(rows)))
    expected = np.array([prediction["logits"] for prediction in predictions])
    for export_format in ("CSV", "JSON", "EXAMPLE"):
        export = train(folder / "dime", SECOND, export_format)["export"]
        signature = tf.saved_model.load(export).signatures["predict"]
        outputs = signature(**request(rows, export_format, lines, signature.structured_input_signature[1]))
        np.testing.assert_allclose(outputs["logits"], expected, atol=1e-4, rtol=1e-5)
        check(True, f"{kind}: TensorFlow runs the {export_format} export")

    copy_checkpoint(folder / "tensorflow", SECOND, folder / "back")
    train(folder / "back", THIRD)
    theirs(folder / "tensorflow").train(input_fn(rows, SECOND), max_steps=THIRD)
    check_same_variables(folder / f"back/model.ckpt-{THIRD}", folder / f"tensorflow/model.ckpt-{THIRD}",
                         f"{kind}, from TensorFlow's checkpoint")


def write_rows(rows, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["genres", "genre_weights", "user", "friend", "item", "parts", "point", "color", "price",
                         "importance", "answer"])
        writer.writerows(map(to_line, rows))


def main(dime):
    scratch = scratch_dir()
    for number, case in enumerate(CASES):
        run_case(dime, scratch, number, *case)


main(Dime(sys.argv[1]))
