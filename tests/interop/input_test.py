"""Training on what real TensorFlow writes - TFRecord files of tf.Examples, plain and compressed - and on compressed CSV ends in
the bytes that plain CSV gives; with little memory too, where examples go through a scratch file.

Usage: input_test.py DIME
"""
import gzip
import pathlib
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import census_tf as tf_side  # noqa: E402

tf = tf_side.tf
TRAIN, TEST = f"{data}/adult.data.csv", f"{data}/adult.test.csv"


def to_example(line):
    """One value a feature: integers for numbers, bytes for texts."""
    def feature(name, text):
        if name in tf_side.NUMERIC:
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(text)]))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    features = {name: feature(name, text) for name, text in zip(tf_side.FIELDS, line.split(",")) if name != "fnlwgt"}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_inputs(csv, folder):
    """The rows of a CSV file in all forms. Returns their paths by name."""
    lines = pathlib.Path(csv).read_text().splitlines()
    paths = {"CSV": pathlib.Path(csv)}
    paths["compressed CSV"] = folder / "rows.csv.gz"
    with gzip.open(paths["compressed CSV"], "wb") as file:
        file.write(pathlib.Path(csv).read_bytes())
    for name, compression in (("TFRecord", ""), ("compressed TFRecord", "GZIP")):
        paths[name] = folder / f"rows{compression}.tfrecord"
        with tf.io.TFRecordWriter(str(paths[name]), compression) as writer:
            for line in lines:
                writer.write(to_example(line))
    return paths


def checkpoint_bytes(job_dir):
    return b"".join((job_dir / f"model.ckpt-1000.{part}").read_bytes() for part in ("index", "data-00000-of-00001"))


def main(dime):
    scratch = scratch_dir()
    forms = {}
    for name, csv in (("train", TRAIN), ("test", TEST)):
        (scratch / name).mkdir()
        forms[name] = write_inputs(csv, scratch / name)
    for memory in ("1GiB", "256KiB"):
        results = {}
        for form, train_file in forms["train"].items():
            job_dir = scratch / f"{form} {memory}"
            result = dime.train(job_dir, own=("--input-memory", memory), train_files=train_file,
                                eval_files=forms["test"][form], train_steps=1000, eval_steps=0)
            results[form] = (checkpoint_bytes(job_dir), result["metrics"])
            check(results[form] == results["CSV"], f"{form} with {memory}: the checkpoint and metrics of plain CSV")


main(Dime(sys.argv[1]))
