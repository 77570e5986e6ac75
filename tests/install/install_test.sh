#!/usr/bin/env bash
# Installs the build, moves the tree elsewhere, and uses it from there: nothing may point back.
# Usage: install_test.sh CMAKE BUILD_DIR
set -euo pipefail
cmake=$1 build_dir=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$cmake" --install "$build_dir" --prefix "$scratch/first" >/dev/null
mv "$scratch/first" "$scratch/moved"
cd "$scratch"

for path in bin/dime lib/dime share/dime/configs/models/census.yaml share/dime/configs/models/schema.json \
    share/dime/configs/machine_types.yaml share/dime/configs/tiers/standard_1.yaml; do
  [[ -e moved/$path ]] || { echo "not installed: $path"; exit 1; }
done
for plugin in "$build_dir"/lib/dime/*.so; do
  [[ ! -e $plugin || -e moved/lib/dime/$(basename "$plugin") ]] || { echo "not installed: $plugin"; exit 1; }
done
env -i PATH=/usr/bin:/bin moved/bin/dime --version
env -i PATH=/usr/bin:/bin moved/bin/dime models list | tee models.txt
grep -q '^census' models.txt
env -i PATH=/usr/bin:/bin moved/bin/dime tiers list | grep -q '^STANDARD_1'
# The description has to come from the moved tree, not from the sources it was built from.
sed -i 's/^  train_steps: 100 .*/  train_steps: 123/' moved/share/dime/configs/models/census.yaml
env -i PATH=/usr/bin:/bin moved/bin/dime models describe census >census.yaml
grep -q 'train_steps: 123' census.yaml
env -i PATH=/usr/bin:/bin moved/bin/dime models schema >schema.json
cmp schema.json moved/share/dime/configs/models/schema.json
[[ $(env -i PATH=/usr/bin:/bin moved/bin/dime models schema --path) == "$(realpath moved)"/share/dime/configs/models/schema.json ]]
# The whole way, from rows made here.
for age in $(seq 17 80); do
  echo "$age, Private, 1, HS-grad, 9, Divorced, Sales, Wife, White, Male, 0, 0, $age, Cuba, $( ((age % 3)) && echo '<=' || echo '>')50K"
done >rows.csv
env -i PATH=/usr/bin:/bin moved/bin/dime local train --job-dir job -- --train-files rows.csv --eval-files rows.csv --train-steps 3 \
  --export-format CSV >/dev/null 2>&1
env -i PATH=/usr/bin:/bin moved/bin/dime local predict --model-dir job/export/census/* --text-instances rows.csv >predictions.txt
grep -q SCORES predictions.txt
[[ -e moved/share/dime/census_from_wheel.py ]] || { echo "not installed: the script of dime data census"; exit 1; }
if ldd moved/bin/dime | grep -E 'not found|libmpi|libcuda|libnccl'; then
  echo "the program needs a library that a laptop does not have"
  exit 1
fi
