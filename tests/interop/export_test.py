"""TensorFlow computes dime's predictions from dime's exports: all rows of the test set, all input formats, both loaders.

Usage: export_test.py DIME MAKE_EXPORT CENSUS_YAML
"""
import base64
import json
import pathlib
import subprocess
import sys

from harness import Dime, check, data_dir, scratch_dir

data = data_dir()
import census_tf as tf_side  # noqa: E402

TRAIN, TEST = f"{data}/adult.data.csv", f"{data}/adult.test.csv"
STEPS = 1000


def json_instances():
    rows = tf_side.read_rows(TEST)
    for values in zip(*rows.values()):
        yield json.dumps({name: float(v) if name in tf_side.NUMERIC else v.decode() for name, v in zip(rows, values)})


def example_instances():
    for line in json_instances():
        example = tf_side.tf.train.Example()
        for name, value in json.loads(line).items():
            feature = example.features.feature[name]
            if isinstance(value, float):
                feature.float_list.value.append(value)
            else:
                feature.bytes_list.value.append(value.encode())
        yield json.dumps({"b64": base64.b64encode(example.SerializeToString()).decode()})


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def check_in_tensorflow(export_dir, export_format, predictions):
    script = pathlib.Path(__file__).parent / "export_check.py"
    command = [sys.executable, script, "--export-dir", export_dir, "--format", export_format, "--data", TEST,
               "--predictions", predictions]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, f"{export_format}: {done.stdout[-3000:]}{done.stderr[-3000:] if done.returncode else ''}")


def main(dime, make_export, census_yaml):
    scratch = scratch_dir()
    instances = {
        "JSON": ("json", write_lines(scratch / "instances.json", json_instances())),
        "CSV": ("text", pathlib.Path(TEST)),
        "EXAMPLE": ("json", write_lines(scratch / "examples.json", example_instances())),
    }
    for export_format, (kind, file) in instances.items():
        # The first trains; the others find the job done and only export it anew.
        result = dime.train(scratch / "job", train_files=TRAIN, eval_files=TEST, train_steps=STEPS,
                            export_format=export_format)
        predictions = dime.predict(result["export"], file, kind)
        written = write_lines(scratch / "predictions.json", map(json.dumps, predictions))
        check_in_tensorflow(result["export"], export_format, written)

        # Weights that no training would make: large, and none of them zero.
        subprocess.run([make_export, census_yaml, "census", export_format, scratch / f"random-{export_format}", TEST,
                        scratch / "random.json"], check=True)
        check_in_tensorflow(scratch / f"random-{export_format}", export_format, scratch / "random.json")


main(Dime(sys.argv[1]), sys.argv[2], sys.argv[3])
