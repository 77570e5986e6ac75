"""The schema of model pages takes what dime takes, and refuses what dime refuses where a schema can see it."""
import json
import pathlib
import re
import subprocess
import sys

from harness import Dime, check, scratch_dir, skip

try:
    import jsonschema
    import yaml
except ImportError as error:
    skip(f"{error.name} is not installed")


class Loader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `yes` is a text and 1e-8 a number."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (("null", r"~|null|Null|NULL|", "~nN\0"),
                            ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
                            ("int", r"[-+]?[0-9]+", "-+0123456789"),
                            ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789")):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"),
                                 [c if c != "\0" else "" for c in first])
Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))

# Every kind of column, no variants. The mistakes change a piece of it.
PAGE = """input:
  separator: ";"
  header_lines: 2
  trim_blanks: true
  fields:
    - {name: age, type: integer, default: 7}
    - {name: height, type: float, default: 1.5}
    - {name: city, type: string, default: "?"}
    - {name: job, type: string}
    - {name: tags, type: string, values: any, value_separator: "|"}
    - {name: scores, type: float, values: 3, default: 0.5}
    - {name: shop, type: integer}
    - {name: importance, type: float}
    - {name: answer, type: string}
label: {field: answer, vocabulary: ["no", "yes"], weight_field: importance}
columns:
  age: {kind: numeric, normalizer: {kind: z_score, mean: 38.6, stddev: 13.7}}
  tall: {kind: numeric, field: height, normalizer: {kind: min_max, min: 0, max: 2}}
  scores: {kind: numeric, normalizer: {kind: log}}
  city: {kind: vocabulary_list, vocabulary: [Rome, " Oslo", 1984], oov_buckets: 2}
  job: {kind: hash_bucket, buckets: 100}
  tags: {kind: hash_bucket, buckets: 50}
  shop: {kind: identity, buckets: 9, default_id: 0}
  age_bucketized: {kind: bucketized, source: age, boundaries: [-1, 0.5, 18]}
  age_bucketized_X_city_X_job: {kind: crossed, keys: [job, {column: city}, {column: age_bucketized}], buckets: 1000}
  city_X_job: {kind: crossed, keys: [city, job], buckets: 10, hash_key: 18446744073709551615}
  shop_weighted_by_importance: {kind: weighted, source: shop, weight_field: importance}
  city_indicator: {kind: indicator, source: city}
  job_embedding: {kind: embedding, source: job, dimension: 3, combiner: sqrtn}
  tags_shared_embedding: {kind: shared_embedding, source: tags, dimension: 2, collection: t}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [city, age_bucketized_X_city_X_job, city_X_job, shop]
  dnn_columns: [tall, scores, city_indicator, job_embedding, tags_shared_embedding]
  hidden_units: [8, 4]
  loss_reduction: sum
  dropout: 0.1
  gradient_clip_norm: 5
  linear_optimizer: {kind: ftrl, learning_rate: 0.2, l1: 0.1, learning_rate_power: -0.25}
  dnn_optimizer: {kind: adam, learning_rate: 1e-3, beta1: 0.8, decay: {kind: exponential, steps: 8, rate: 0.5, staircase: true}}
training: {train_steps: 10, export_name: towns}
"""
DNN_OPTIMIZER = PAGE[PAGE.index("{kind: adam"):PAGE.index("\ntraining")]

OTHER_RIGHT_PAGES = {
    "a linear regressor": """
input: {separator: "\\t", fields: [{name: a, type: float, values: 2}, {name: b, type: integer}]}
label: {field: b}
columns: {a: {kind: numeric}}
estimator: {kind: LinearRegressor, linear_columns: [a], linear_optimizer: {kind: sgd, learning_rate: 1}}
""",
    "an estimator in the variants": """
input: {fields: [{name: a, type: integer}, {name: b, type: integer}]}
label: {field: b, num_classes: 3}
columns: {a: {kind: numeric}}
variants:
  x: {estimator: {kind: LinearClassifier, linear_columns: [a], linear_optimizer: {kind: sgd, learning_rate: 1}}}
""",
    "variants without changes": PAGE + "variants: {x: , y: {}, z: {training: {train_steps: 3}}}\n",
}

MISTAKES = [
    # Structure.
    ("estimator:\n", "estimater:\n"),
    ("hidden_units: [8, 4]", "hidden_unit: [8, 4]"),
    ("combiner:", "combinr:"),
    ("default: 7", "defualt: 7"),
    ("{train_steps: 10", "{train_step: 10"),
    ("training: {train_steps: 10, export_name: towns}", "training: 20"),
    ("training: {train", "variants: {}\ntraining: {train"),
    ("training: {train", "variants: {a: {trainig: {}}}\ntraining: {train"),
    ("training: {train", "variants: {\"a/b\": {}}\ntraining: {train"),
    ("  job: {kind: hash_bucket, buckets: 100}", "  job: hash_bucket"),
    ("  job: {kind: hash_bucket", "  \"a b\": {kind: hash_bucket"),
    ("age: {kind: numeric", "age: {kind: numerical"),
    ("kind: DNNLinearCombinedClassifier", "kind: DNNClassifer"),
    ("kind: DNNLinearCombinedClassifier", "kind: DNNClassifier"),
    ("kind: DNNLinearCombinedClassifier", "kind: LinearClassifier"),
    ("kind: DNNLinearCombinedClassifier", "kind: DNNLinearCombinedRegressor"),
    ("label: {field: answer, vocabulary", "label: {field: answer, values"),
    # Input and label.
    ("separator: \";\"", "separator: \"\""),
    ("separator: \";\"", "separator: \"ab\""),
    ("separator: \";\"", "separator: \"\\n\""),
    ("separator: \";\"", "separator: '\"'"),
    ("separator: \";\"", "separator: \".\""),
    ("header_lines: 2", "header_lines: -1"),
    ("header_lines: 2", "header_lines: 1001"),
    ("header_lines: 2", "header_lines: 2.5"),
    ("trim_blanks: true", "trim_blanks: yes"),
    ("type: integer, default: 7", "type: int, default: 7"),
    ("default: 7", "default: 7.5"),
    ("default: 7", "default: 2147483648"),
    ("default: 1.5", "default: nan"),
    ("default: 1.5", "default: 1e99"),
    ("default: 1.5", "default: \"\""),
    ("default: 1.5", "default: "),
    ("name: height", "name: \"\""),
    ("values: 3", "values: 0"),
    ("type: float, values: 3", "type: string, values: 3"),
    ("values: any,", ""),
    ("values: any,", "values: any, default: x,"),
    ("[\"no\", \"yes\"]", "[\"no\"]"),
    ("[\"no\", \"yes\"]", "[\"no\", \"no\"]"),
    ("[\"no\", \"yes\"]", "[\"no\", \"yes\"], num_classes: 2"),
    (", vocabulary: [\"no\", \"yes\"]", ""),
    (", vocabulary: [\"no\", \"yes\"]", ", num_classes: 1"),
    # Columns.
    ("buckets: 100}", "buckets: 0}"),
    ("buckets: 100}", "buckets: 1e300}"),
    ("kind: hash_bucket, buckets: 100}", "kind: hash_bucket}"),
    ("[Rome, \" Oslo\"", "[Rome, Rome"),
    ("[Rome, \" Oslo\"", "[Rome, \" \""),
    ("[Rome, \" Oslo\"", "[Rome, null"),
    ("[Rome, \" Oslo\", 1984]", "[]"),
    ("oov_buckets: 2", "oov_buckets: -2"),
    ("[-1, 0.5, 18]", "[-1, 18, 18]"),
    ("[-1, 0.5, 18]", "[1, inf]"),
    ("[-1, 0.5, 18]", "[]"),
    ("[-1, 0.5, 18]", "18"),
    ("dimension: 3", "dimension: 0"),
    ("dimension: 3", "dimension: 1048577"),
    ("combiner: sqrtn", "combiner: sqrt"),
    ("keys: [city, job]", "keys: [city]"),
    ("keys: [city, job]", "keys: [city, {colum: job}]"),
    ("hash_key: 18446744073709551615", "hash_key: -1"),
    ("collection: t", ""),
    ("stddev: 13.7", "stddev: 0"),
    (", max: 2", ""),
    ("kind: log", "kind: log, base: 2"),
    # Estimator and training.
    ("linear_columns: [city, age", "linear_columns: [city, city, age"),
    ("dnn_columns: [tall, scores, city_indicator, job_embedding, tags_shared_embedding]", "dnn_columns: []"),
    ("hidden_units: [8, 4]", "hidden_units: []"),
    ("hidden_units: [8, 4]", "hidden_units: 8"),
    ("hidden_units: [8, 4]", "hidden_units: [8, 0]"),
    ("dropout: 0.1", "dropout: 1"),
    ("gradient_clip_norm: 5", "gradient_clip_norm: -1"),
    ("loss_reduction: sum", "loss_reduction: max"),
    (DNN_OPTIMIZER, "{kind: adagard, learning_rate: 1}"),
    (DNN_OPTIMIZER, "{knd: adagrad, learning_rate: 1}"),
    (DNN_OPTIMIZER, "{kind: sgd}"),
    (DNN_OPTIMIZER, "{kind: sgd, l1: 1, learning_rate: 1}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: 0}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: inf}"),
    (DNN_OPTIMIZER, "{kind: adam, learning_rate: 1, beta1: 1}"),
    (DNN_OPTIMIZER, "{kind: momentum, learning_rate: 1, nestrov: true}"),
    (DNN_OPTIMIZER, "{kind: momentum, learning_rate: 1, nesterov: 1}"),
    (DNN_OPTIMIZER, "{kind: adagrad, learning_rate: 1, initial_accumulator: 0}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: 1, decay: 0.5}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: 1, decay: {kind: cosine}}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: 1, decay: {kind: cosine, steps: 0}}"),
    (DNN_OPTIMIZER, "{kind: sgd, learning_rate: 1, decay: {kind: cosine, steps: 1, alpha: 2}}"),
    ("learning_rate_power: -0.25", "learning_rate_power: 0.5"),
    ("l1: 0.1", "l1: -0.1"),
    ("  linear_optimizer:", "  #"),
    ("train_steps: 10", "train_steps: 0"),
    ("export_name: towns", "export_name: ../towns"),
    ("export_name: towns", "export_name: \"..\""),
]


class Judges:
    """What the schema, and what dime says of a page."""

    def __init__(self, program):
        self._program = program
        self._folder = scratch_dir()
        schema = json.loads(Dime(program).run("models", "schema"))
        jsonschema.Draft7Validator.check_schema(schema)
        self._validator = jsonschema.Draft7Validator(schema)

    def schema(self, page):
        """Where the schema finds something wrong, in words; empty where it does not."""
        return "; ".join(f"{error.json_path}: {error.message}"
                         for error in self._validator.iter_errors(yaml.load(page, Loader)))

    def dime(self, page):
        path = self._folder / "page.yaml"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run([self._program, "models", "describe", path], capture_output=True, text=True)
        return done.stderr if done.returncode != 0 else ""


def check_right(judges, what, page):
    check(not judges.schema(page), f"the schema takes {what} {judges.schema(page)}")
    check(not judges.dime(page), f"dime takes {what} {judges.dime(page)}")


def main(program, configs):
    judges = Judges(program)
    dime = Dime(program)
    for path in sorted(pathlib.Path(configs).glob("models/*.yaml")):
        check_right(judges, path.name, path.read_text(encoding="utf-8"))
        # As job directories and exports carry it, with all defaults.
        check_right(judges, f"{path.name} written out", dime.run("models", "describe", path))
    check_right(judges, "a page of everything", PAGE)
    page = scratch_dir() / "page.yaml"
    page.write_text(PAGE, encoding="utf-8")
    check_right(judges, "a page of everything written out", dime.run("models", "describe", page))
    for what, page in OTHER_RIGHT_PAGES.items():
        check_right(judges, what, page)

    check(len(MISTAKES) > 60, f"{len(MISTAKES)} mistakes")
    for right, wrong in MISTAKES:
        check(PAGE.count(right) >= 1, f"the page has {right!r}")
        page = PAGE.replace(right, wrong, 1)
        check(judges.schema(page), f"the schema refuses {wrong!r}")
        check(judges.dime(page), f"dime refuses {wrong!r}")

    for spec in ("census", "clicks"):
        rows = scratch_dir() / "rows.csv"
        dime.run("data", "synthetic", "--spec", spec, "--rows", 2000, "--output", rows)
        label = 15 if spec == "census" else 1
        check_right(judges, f"what is inferred from {spec}", dime.run("models", "infer", rows, "--label", label))


if __name__ == "__main__":
    main(*sys.argv[1:])
