"""The census estimator as TensorFlow 2.15 builds it: what dime's results are held against.

Batches are made of rows in the order of the file, again from its start when it ends, so that dime sees the same ones with
`--order as-read`.
"""
import os
import re
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.get_logger().setLevel("ERROR")
v1 = tf.compat.v1
fc = tf.feature_column

FIELDS = ("age workclass fnlwgt education education_num marital_status occupation relationship race gender "
          "capital_gain capital_loss hours_per_week native_country income_bracket").split()
NUMERIC = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
DEFAULTS = [[0] if name in NUMERIC + ["fnlwgt"] else [""] for name in FIELDS]
FEATURES = [name for name in FIELDS if name not in ("fnlwgt", "income_bracket")]
VOCABULARIES = {
    "gender": [" Female", " Male"],
    "race": [" Amer-Indian-Eskimo", " Asian-Pac-Islander", " Black", " Other", " White"],
    "education": [" Bachelors", " HS-grad", " 11th", " Masters", " 9th", " Some-college", " Assoc-acdm", " Assoc-voc",
                  " 7th-8th", " Doctorate", " Prof-school", " 5th-6th", " 10th", " 1st-4th", " Preschool", " 12th"],
    "marital_status": [" Married-civ-spouse", " Divorced", " Married-spouse-absent", " Never-married", " Separated",
                       " Married-AF-spouse", " Widowed"],
    "relationship": [" Husband", " Not-in-family", " Wife", " Own-child", " Unmarried", " Other-relative"],
    "workclass": [" Self-emp-not-inc", " Private", " State-gov", " Federal-gov", " Local-gov", " ?", " Self-emp-inc",
                  " Without-pay", " Never-worked"],
}
AGE_BOUNDARIES = [18, 25, 30, 35, 40, 45, 50, 55, 60, 65]


def columns():
    """The wide and the deep columns, in the sample's order."""
    vocabulary = {name: fc.categorical_column_with_vocabulary_list(name, words) for name, words in VOCABULARIES.items()}
    occupation = fc.categorical_column_with_hash_bucket("occupation", 100)
    native_country = fc.categorical_column_with_hash_bucket("native_country", 100)
    numeric = {name: fc.numeric_column(name) for name in NUMERIC}
    age_bucketized = fc.bucketized_column(numeric["age"], AGE_BOUNDARIES)
    wide = [fc.crossed_column(["education", "occupation"], 10000),
            fc.crossed_column([age_bucketized, vocabulary["race"], "occupation"], 1000000),
            fc.crossed_column(["native_country", "occupation"], 10000),
            *(column for name, column in vocabulary.items() if name != "race"),
            age_bucketized, native_country, occupation]
    deep = [*(fc.indicator_column(column) for column in vocabulary.values()),
            fc.embedding_column(native_country, 8), fc.embedding_column(occupation, 8), *numeric.values()]
    return wide, deep


def parse(lines):
    features = dict(zip(FIELDS, tf.io.decode_csv(lines, DEFAULTS)))
    features.pop("fnlwgt")
    label = tf.cast(tf.equal(features.pop("income_bracket"), " >50K"), tf.int64)
    return {name: value[:, None] for name, value in features.items()}, label[:, None]


def input_fn(path, batch_size, repeat=False, shuffle_seed=None, epochs=None):
    def dataset():
        lines = tf.data.TextLineDataset(path)
        if shuffle_seed is not None:
            lines = lines.cache().shuffle(40000, seed=shuffle_seed)
        if repeat or epochs:
            lines = lines.repeat(epochs)
        return lines.batch(batch_size).map(parse).prefetch(2)
    return dataset


# What the sample's two generations train with: the reduction of the loss, Adagrad's rate, FTRL's rate.
VARIANTS = {"census": (v1.losses.Reduction.SUM_OVER_BATCH_SIZE, 0.05, 0.2),
            "census-v1": (v1.losses.Reduction.SUM, 0.001, 0.005)}


def estimator(job_dir, seed=1, variant="census", checkpoint_steps=10**9):
    wide, deep = columns()
    reduction, deep_rate, wide_rate = VARIANTS[variant]
    return v1.estimator.DNNLinearCombinedClassifier(
        config=tf.estimator.RunConfig(model_dir=job_dir, tf_random_seed=seed, save_checkpoints_steps=checkpoint_steps,
                                      keep_checkpoint_max=100, log_step_count_steps=1000000,
                                      save_summary_steps=1000000),
        linear_feature_columns=wide, dnn_feature_columns=deep, dnn_hidden_units=[100, 70, 48, 34],
        linear_optimizer=v1.train.FtrlOptimizer(wide_rate), dnn_optimizer=v1.train.AdagradOptimizer(deep_rate),
        loss_reduction=reduction)


class _Losses(tf.estimator.SessionRunHook):
    """Keeps the loss of every step."""

    def __init__(self):
        self.values = []

    def begin(self):
        losses = v1.get_collection(v1.GraphKeys.LOSSES)
        self._loss = losses[0] if losses else v1.get_default_graph().get_tensor_by_name("head/weighted_loss/Sum:0")

    def before_run(self, context):
        return tf.estimator.SessionRunArgs(self._loss)

    def after_run(self, context, values):
        self.values.append(float(values.results))


def train(est, path, steps, batch_size=40):
    """Trains up to the global step `steps`, rows in order. Returns the loss of each step."""
    losses = _Losses()
    est.train(input_fn(path, batch_size, repeat=True), max_steps=steps, hooks=[losses])
    return losses.values


def evaluate(est, path, checkpoint=None):
    metrics = est.evaluate(input_fn(path, 1000), checkpoint_path=checkpoint)
    return {name: float(value) for name, value in metrics.items()}


def copy_checkpoint(from_dir, step, to_dir):
    """A job directory that holds one checkpoint of another."""
    os.makedirs(to_dir)
    for suffix in ("index", "data-00000-of-00001"):
        shutil.copy(f"{from_dir}/model.ckpt-{step}.{suffix}", to_dir)
    with open(f"{to_dir}/checkpoint", "w") as state:
        state.write(f'model_checkpoint_path: "model.ckpt-{step}"\nall_model_checkpoint_paths: "model.ckpt-{step}"\n')


def perturb_checkpoint(from_dir, step, to_dir, seed):
    """The same, with each weight (no slot) one float up or down, or as it was. Seed 0: all as they were."""
    reader = tf.train.load_checkpoint(f"{from_dir}/model.ckpt-{step}")
    names = sorted(reader.get_variable_to_shape_map())
    rng = np.random.default_rng(seed)
    values = []
    for name in names:
        value = reader.get_tensor(name)
        if seed != 0 and value.dtype == np.float32 and value.ndim > 0 and not re.search("Adagrad|Ftrl", name):
            toward = rng.choice(np.array([-np.inf, np.nan, np.inf], np.float32), value.shape)
            value = np.where(np.isnan(toward), value, np.nextafter(value, toward))
        values.append(value)
    os.makedirs(to_dir)
    tf.raw_ops.SaveV2(prefix=f"{to_dir}/model.ckpt-{step}", tensor_names=names, shape_and_slices=[""] * len(names),
                      tensors=values)


def read_rows(path):
    """The features of every row: name -> array of bytes or of float32."""
    rows = [line.rstrip("\n").split(",") for line in open(path)]
    by_field = dict(zip(FIELDS, zip(*rows)))
    return {name: np.array(by_field[name], np.float32) if name in NUMERIC
            else np.array([text.encode() for text in by_field[name]], object) for name in FEATURES}
