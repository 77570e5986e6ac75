"""Steps a second of the census net as one tf.function with the training loop inside, ids made beforehand: the strongest peer.

Usage: tf_loop.py DATA BATCH STEPS [THREADS]
"""
import json
import os
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/interop"))
import census_tf as census  # noqa: E402

tf, np = census.tf, census.np
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras = tf.keras


def load(path):
    """Wide ids (one table for all columns), one-hot and numeric inputs, embedding ids, labels."""
    rows = [line.rstrip("\n").split(",") for line in open(path)]
    by_field = dict(zip(census.FIELDS, zip(*rows)))

    def bucket(names, buckets):
        return np.array([zlib.crc32("|".join(texts).encode()) % buckets for texts in zip(*(by_field[n] for n in names))])

    ids = {name: np.array([words.index(text) for text in by_field[name]]) for name, words in census.VOCABULARIES.items()}
    ages = np.searchsorted(census.AGE_BOUNDARIES, np.array(by_field["age"], int), side="right")
    occupation, country = bucket(["occupation"], 100), bucket(["native_country"], 100)
    wide = [(bucket(["education", "occupation"], 10**4), 10**4), (bucket(["age", "race", "occupation"], 10**6), 10**6),
            (bucket(["native_country", "occupation"], 10**4), 10**4), (ages, 11), (occupation, 100), (country, 100)]
    wide += [(ids[name], len(words)) for name, words in census.VOCABULARIES.items() if name != "race"]
    starts = np.cumsum([0] + [size for _, size in wide])
    dense = [np.eye(len(words), dtype=np.float32)[ids[name]] for name, words in census.VOCABULARIES.items()]
    dense += [np.array(by_field[name], np.float32)[:, None] for name in census.NUMERIC]
    labels = np.array([text == " >50K" for text in by_field["income_bracket"]], np.float32)[:, None]
    return (np.stack([column + start for (column, _), start in zip(wide, starts)], 1).astype(np.int32),
            np.concatenate(dense, 1), np.stack([occupation, country + 100], 1).astype(np.int32), labels, int(starts[-1]))


def build(num_wide, num_dense, wide_size):
    wide_ids, dense, deep_ids = keras.Input([num_wide], dtype="int32"), keras.Input([num_dense]), keras.Input([2], dtype="int32")
    linear = tf.reduce_sum(keras.layers.Embedding(wide_size, 1, embeddings_initializer="zeros")(wide_ids), 1)
    embedded = keras.layers.Flatten()(keras.layers.Embedding(200, 8)(deep_ids))
    hidden = keras.layers.Concatenate()([dense, embedded])
    for units in (100, 70, 48, 34):
        hidden = keras.layers.Dense(units, "relu")(hidden)
    return keras.Model([wide_ids, dense, deep_ids], keras.layers.Dense(1)(hidden) + linear)


def main(data, batch, steps):
    wide, dense, deep, labels, wide_size = load(f"{data}/adult.data.csv")
    model = build(wide.shape[1], dense.shape[1], wide_size)
    optimizer = keras.optimizers.legacy.Adagrad(0.05, initial_accumulator_value=0.1)
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
    wide, dense, deep, labels = map(tf.constant, (wide, dense, deep, labels))

    @tf.function
    def loop(count):
        for _ in tf.range(count):
            rows = tf.random.uniform([batch], 0, len(labels), tf.int32)
            with tf.GradientTape() as tape:
                logits = model([tf.gather(wide, rows), tf.gather(dense, rows), tf.gather(deep, rows)], training=True)
                loss = loss_of(tf.gather(labels, rows), logits)
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    loop(tf.constant(20))
    start = time.perf_counter()
    loop(tf.constant(steps))
    print(json.dumps({"steps_per_second": steps / (time.perf_counter() - start)}))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
