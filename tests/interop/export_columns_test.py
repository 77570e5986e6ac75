"""Every kind of feature column, on values of every sort, scores the same in dime and in TensorFlow running dime's
exports. (columns_test.py holds the columns against TensorFlow's own.)

Usage: export_columns_test.py MAKE_EXPORT
"""
import pathlib
import random
import subprocess
import sys

from harness import check, scratch_dir

DESCRIPTION = """
input:
  separator: "{separator}"
  trim_blanks: {trim_blanks}
{dialect}
  fields:
    - {{name: size, type: float, default: 1.5}}
    - {{name: color, type: string, default: "{default_color}"}}
    - {{name: unused, type: string, default: ""}}
    - {{name: count, type: integer, default: 7}}
    - {{name: shape, type: string, default: ""}}
    - {{name: label, type: string, default: "no"}}
label: {{field: label, vocabulary: ["no", "yes"]}}
columns:
  size: {{kind: numeric}}
  count: {{kind: numeric}}
  color: {{kind: vocabulary_list, vocabulary: [" red", "green ", "blue", "päle blue"]}}
  shape: {{kind: hash_bucket, buckets: 7}}
  color_hash: {{kind: hash_bucket, field: color, buckets: 5}}
  size_bucketized: {{kind: bucketized, source: size, boundaries: [-1.5, 0, 2.25]}}
  count_bucketized: {{kind: bucketized, source: count, boundaries: [3]}}
  color_X_shape: {{kind: crossed, keys: [shape, color], buckets: 50, hash_key: {hash_key}}}
  color_X_shape_X_size_bucketized:
    {{kind: crossed, keys: [shape, {{column: size_bucketized}}, {{column: color}}], buckets: 40}}
  color_indicator: {{kind: indicator, source: color}}
  shape_indicator: {{kind: indicator, source: shape}}
  size_bucketized_indicator: {{kind: indicator, source: size_bucketized}}
  color_X_shape_indicator: {{kind: indicator, source: color_X_shape}}
  color_embedding: {{kind: embedding, source: color, dimension: 3, combiner: sqrtn}}
  shape_embedding: {{kind: embedding, source: shape, dimension: 2, combiner: sum}}
  count_bucketized_embedding: {{kind: embedding, source: count_bucketized, dimension: 1}}
  color_X_shape_X_size_bucketized_embedding:
    {{kind: embedding, source: color_X_shape_X_size_bucketized, dimension: 4, combiner: mean}}
estimator:
  kind: DNNLinearCombinedClassifier
{columns}
  dnn_optimizer: {{kind: adagrad, learning_rate: 0.05}}
  linear_optimizer: {{kind: ftrl, learning_rate: 0.2}}
"""
ALL_COLUMNS = """
  linear_columns: [color, shape, color_hash, size_bucketized, count_bucketized, color_X_shape,
                   color_X_shape_X_size_bucketized]
  dnn_columns: [size, count, color_indicator, shape_indicator, size_bucketized_indicator, color_X_shape_indicator,
                color_embedding, shape_embedding, count_bucketized_embedding,
                color_X_shape_X_size_bucketized_embedding]
  hidden_units: [6, 4]"""
ONE_COLUMN_EACH = """
  linear_columns: [shape]
  dnn_columns: [shape_embedding]
  hidden_units: [5]"""
CASES = {
    "commas": dict(separator=",", trim_blanks="false", default_color="", hash_key=0xDECAFCAFFE, columns=ALL_COLUMNS),
    "tabs, trimmed": dict(separator="\\t", trim_blanks="true", default_color=" green", hash_key=2**64 - 1,
                          columns=ALL_COLUMNS),
    "no quotes, NA": dict(separator="\\t", trim_blanks="false", default_color="blue", hash_key=1, columns=ALL_COLUMNS,
                          dialect="  quoting: none\n  missing_values: [NA]"),
    "a default": dict(separator=";", trim_blanks="false", default_color=" green", hash_key=1, columns=ALL_COLUMNS),
    "one text": dict(separator=",", trim_blanks="false", default_color="x", hash_key=1, columns=ONE_COLUMN_EACH),
}
SIZES = ["", " 1", "-1.5", "0", "2.25", "2.2499", "-7.25", "1e3", "+3"]
COUNTS = ["", "3", "2", "4", " 5", "-9", "1000"]
COLORS = ["red", " red ", "green", "  green", "blue", "päle blue", "purple", "", "   ", '"qu""oted{separator} red"', "\x01"]
SHAPES = ["", "  ", "round", " round", "round ", "square", "x" * 70, "☃", "0", "-1"]


def write_data(path, separator, pick, dialect):
    sizes, counts, colors, shapes = SIZES, COUNTS, COLORS, SHAPES
    if dialect:
        sizes, counts = SIZES + ["NA"], COUNTS + ["NA"]
        colors, shapes = COLORS[:-2] + ['"', 'b"l"ue', '"blue"', "NA"], SHAPES + ["NA", '"x']
    with open(path, "w", newline="") as file:
        for _ in range(600):
            fields = [pick(sizes), pick(colors).replace("{separator}", separator), "unused", pick(counts), pick(shapes),
                      pick(["no", "yes", ""])]
            file.write(separator.join(fields) + "\n")


def main(make_export):
    scratch = scratch_dir()
    compare = pathlib.Path(__file__).with_name("export_check.py")
    yaml, data, predictions = scratch / "model.yaml", scratch / "data.csv", scratch / "predictions"
    for name, case in CASES.items():
        dialect = case.setdefault("dialect", "")
        yaml.write_text(DESCRIPTION.format(**case))
        write_data(data, case["separator"].replace("\\t", "\t"), random.Random(1).choice, dialect)
        # Only CSV has dialects.
        for export_format in ("CSV",) if dialect else ("JSON", "CSV", "EXAMPLE"):
            export = scratch / f"{name} {export_format}"
            subprocess.run([make_export, yaml, "", export_format, export, data, predictions], check=True)
            subprocess.run([sys.executable, compare, "--export-dir", export, "--format", export_format, "--data", data,
                            "--predictions", predictions], check=True, stdout=subprocess.DEVNULL)
            check(True, f"{name}: the {export_format} export scores as dime does")


main(sys.argv[1])
