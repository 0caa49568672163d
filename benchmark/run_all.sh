#!/usr/bin/env bash
# All benchmarks of one kind of device. usage: benchmark/run_all.sh PYTHON cpu|cuda [OUT]     OUT: default build/bench
# Status 1 if one of them failed to run; figures that fall short of their goal are printed, not judged.
set -u
cd "$(dirname "$0")/.."
PY=$1 DEVICE=$2 OUT=${3:-build/bench}
mkdir -p "$OUT"
bad=0
step() {
  name=$1
  shift
  printf '\n==== %s\n' "$name"
  grep -q 'arguments(' "$1" && set -- "$@" --out "$OUT/$name.json"
  "$PY" "$@" 2>&1 | tee "$OUT/$name.txt"
  [ "${PIPESTATUS[0]}" = 0 ] || { echo "$name FAILED"; bad=1; }
}
step toggle_cost benchmark/toggle_cost.py
step host_cost-"$DEVICE" benchmark/host_cost.py --device "$DEVICE"
step tune_lookup-"$DEVICE" benchmark/tune_lookup.py --device "$DEVICE"
if [ "$DEVICE" = cpu ]; then
  step cpu_matmul benchmark/cpu_matmul.py
  step cpu_ops benchmark/cpu_ops.py
else
  step gpu_bandwidth benchmark/gpu_bandwidth.py
  step gpu_matmul benchmark/gpu_matmul.py
  step hf_llama benchmark/hf_llama.py
fi
exit $bad
