#!/usr/bin/env bash
# Steps for a borrowed GPU machine without a network, where python3 has torch, pytest, cmake and ninja.
# usage: benchmark/gpu_session.sh STEP...      STEP: build smoke test sanitizer host jit toggle bandwidth matmul tune hf all
# Each step has its own time limit, the whole of them is to fit into one call; logs and JSON go to $OUT (default build/gpu).
set -u
cd "$(dirname "$0")/.."
OUT=${OUT:-build/gpu}
PY=${PYTHON:-python3}
PY=$(command -v "$PY")
mkdir -p "$OUT"
export PYTHONPATH=$PWD/src${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
# Kernels compiled by one step serve the next; kept inside the tree, because the rest of the machine is nobody's to fill.
export GEMS_CACHE_DIR=${GEMS_CACHE_DIR:-$PWD/build/gpu-cache}

limit() { # seconds, name, command...
  local seconds=$1 name=$2 start=$SECONDS status
  shift 2
  printf '\n==== %s (limit %s s)\n' "$name" "$seconds"
  timeout -k 10 "$seconds" "$@" 2>&1 | tee "$OUT/$name.txt" | tail -n "${LINES_SHOWN:-40}"
  status=${PIPESTATUS[0]}
  [ "$status" = 124 ] && echo "$name ran past its limit"
  printf '== %s: %s after %s s\n' "$name" "$([ "$status" = 0 ] && echo ok || echo "FAILED ($status)")" $((SECONDS - start)) | tee -a "$OUT/steps.txt"
  [ "$status" = 0 ] || failed+=("$name")
}

build() {
  limit 420 build bash -c "
    cmake -S . -B build/gpu-build -G Ninja -DCMAKE_BUILD_TYPE=Release -DGEMS_PYTHON='$PY' && cmake --build build/gpu-build -j $(nproc)"
}
bench() { # seconds, name, script, arguments...
  local seconds=$1 name=$2 script=$3
  shift 3
  grep -q 'arguments(' "benchmark/$script.py" && set -- "$@" --out "$OUT/$name.json"
  limit "$seconds" "$name" "$PY" "benchmark/$script.py" "$@"
}

failed=()
: >"$OUT/steps.txt"
for step in "${@:-all}"; do
  case $step in
    build) build ;;
    test) limit 420 test tools/test_gpu.sh "$PY" "$OUT/test-gpu.txt" cases ;;
    sanitizer) limit 240 sanitizer tools/test_gpu.sh "$PY" "$OUT/sanitizer-summary.txt" sanitizer ;;
    smoke) limit 200 gpu_smoke "$PY" benchmark/gpu_smoke.py ;;
    host) bench 120 host_cost-cuda host_cost --device cuda ;;
    jit) bench 240 jit_figures jit_figures ;;
    toggle) bench 90 toggle_cost toggle_cost ;;
    bandwidth) bench 200 gpu_bandwidth gpu_bandwidth ;;
    index) bench 300 gpu_index gpu_index ;;
    matmul) bench 240 gpu_matmul gpu_matmul ;;
    tune) bench 300 tune_search tune_search --device cuda --seconds 180 ;;
    hf) bench 400 hf_llama hf_llama ;;
    all) exec "$0" build test host toggle bandwidth matmul hf sanitizer ;;
    *) echo "unknown step $step" >&2; exit 2 ;;
  esac
done
echo
cat "$OUT/steps.txt"
[ ${#failed[@]} = 0 ]
