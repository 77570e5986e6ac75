"""TensorFlow runs exports of models with unbounded columns, hashed and crossed, of single values and of lists, and scores as
`dime local predict` does: also ids that have no row. It reads checkpoints that build on others as any other.

Usage: unbounded_test.py DIME
"""
import json
import random
import sys

from harness import Dime, check, scratch_dir

import numpy as np
import tensorflow as tf

UNBOUNDED = "unbounded: {max_bytes: 8MiB}"
PAGE = f"""
input:
  header_lines: 1
  fields:
    - {{name: user, type: integer}}
    - {{name: city, type: string}}
    - {{name: tags, type: string, values: any}}
    - {{name: answer, type: string}}
label: {{field: answer, vocabulary: ["no", "yes"]}}
columns:
  city: {{kind: hash_bucket, {UNBOUNDED}}}
  city_X_user: {{kind: crossed, keys: [city, user], {UNBOUNDED}}}
  city_X_tags: {{kind: crossed, keys: [city, tags], {UNBOUNDED}}}
  city_embedding: {{kind: embedding, source: city, dimension: 3}}
  city_X_user_embedding: {{kind: embedding, source: city_X_user, dimension: 2}}
  city_X_tags_embedding: {{kind: embedding, source: city_X_tags, dimension: 4, combiner: sqrtn}}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [city, city_X_user, city_X_tags]
  linear_optimizer: {{kind: ftrl, learning_rate: 0.2}}
  dnn_columns: [city_embedding, city_X_user_embedding, city_X_tags_embedding]
  hidden_units: [6]
  dnn_optimizer: {{kind: adagrad, learning_rate: 0.1}}
"""
CITIES = ["Rome", "Oslo", "Lima", "Kyiv"]
TAGS = ["sea", "old", "hills", "cold", "far"]


def make_rows(count, num_users, cities):
    pick = random.Random(5)
    rows = []
    for _ in range(count):
        user, city = pick.randrange(num_users), pick.choice(cities)
        tags = pick.sample(TAGS, pick.randrange(0, 4))
        rows.append((user, city, tags, "yes" if (user + len(city) + len(tags)) % 3 == 0 else "no"))
    return rows


def write_csv(path, rows):
    lines = ["user,city,tags,answer"] + [f"{user},{city},{'|'.join(tags)},{answer}" for user, city, tags, answer in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


def request(rows):
    width = max(1, max(len(row[2]) for row in rows))
    return {"user": tf.constant([row[0] for row in rows], tf.int64), "city": tf.constant([row[1] for row in rows]),
            "tags": tf.constant([row[2] + [""] * (width - len(row[2])) for row in rows])}


def main(dime):
    scratch = scratch_dir()
    (scratch / "page.yaml").write_text(PAGE)
    train = write_csv(scratch / "train.csv", make_rows(400, 20, CITIES))
    result = dime.train(scratch / "job", own=["--model", scratch / "page.yaml", "--checkpoint-steps", 100], train_files=train, eval_files=train,
                        train_steps=300, export_format="JSON")

    reader = tf.train.load_checkpoint(str(scratch / "job" / "model.ckpt-200"))
    shapes = reader.get_variable_to_shape_map()
    check(all(reader.get_tensor(name).shape == tuple(shape) for name, shape in shapes.items()),
          f"TensorFlow reads the {len(shapes)} tensors of a checkpoint that builds on another")
    changes = sum(name.endswith("/base_crc") for name in shapes)
    check(reader.get_tensor("base_step") == 100 and changes > 0, f"{changes} of its shards have changes alone")

    rows = make_rows(200, 40, CITIES + ["Quito"])  # Half of the users, and a city, were never seen.
    instances = scratch / "instances.json"
    instances.write_text("".join(json.dumps({"user": user, "city": city, "tags": tags}) + "\n"
                                 for user, city, tags, _ in rows))
    ours = np.array([prediction["logits"] for prediction in dime.predict(result["export"], instances)])
    model = tf.saved_model.load(result["export"])
    theirs = model.signatures["predict"](**request(rows))["logits"].numpy()
    check(np.std(ours) > 0.1, f"training has told examples apart: logits differ by {np.std(ours):.2g}")
    difference = np.max(np.abs(ours - theirs))
    check(difference < 1e-4, f"logits are TensorFlow's (largest difference {difference:.2g})")
    for name, dim in (("city_X_user", 2), ("city_X_tags", 4)):
        (rows,) = (v.numpy().shape for v in model.variables if v.name.startswith(f"dnn/input_from_feature_columns/input_layer/{name}")
                   and v.dtype == tf.float32)
        check(rows[0] > 20 and rows[1] == dim, f"{name} has {rows[0]} rows of {rows[1]}")


main(Dime(sys.argv[1]))
