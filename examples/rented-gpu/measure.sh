#!/usr/bin/env bash
# All that a GPU is rented for, in one go: docs/rented-gpu.md. From the repository's root:
#
#   bash examples/rented-gpu/measure.sh [FOLDER]
#
# A step that fails is named in the end and costs no other one. Whatever came out is in FOLDER, and packed beside it.

set -u
card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)
folder=${1:-results/gpu/$(date +%F)-$(echo "${card:-unknown}" | tr -c '[:alnum:]\n' '-')}
frameworks=${FRAMEWORKS:-jax*,torch*,flax,equinox,lightning}
python=${PYTHON:-python3}
mkdir -p "$folder" || exit 2
failed=()

step() { # NAME ARGUMENT...: runs Python, and keeps what it printed as NAME.txt
    local name=$1
    shift
    echo "== $name"
    "$python" "$@" 2>&1 | tee "$folder/$name.txt"
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
}

gpu=(-m pytest benchmarks --device=gpu "--benchmark-storage=file://$folder/saved")

step doctor -m benchmarks doctor --device=gpu "--frameworks=$frameworks"
step tests -m pytest tests -m "gpu and not slow" -q -rs
step first "${gpu[@]}" "--frameworks=$frameworks" --trials=1 --no-limit "--benchmark-json=$folder/first.json"
step epochs "${gpu[@]}" "--frameworks=$frameworks" --trials=3 --limit-again "--report=$folder/report.html" \
    "--benchmark-json=$folder/epochs.json"
step turns "${gpu[@]}" --frameworks=jax,torch --against=self --budget=5m "--benchmark-json=$folder/turns.json"

tar -czf "$folder.tar.gz" -C "$(dirname "$folder")" "$(basename "$folder")"
echo "== $folder.tar.gz: take it with you, unpack it in your clone's results/gpu/, and commit that."
[ ${#failed[@]} -eq 0 ] || { echo "== not everything went well: ${failed[*]}"; exit 1; }
