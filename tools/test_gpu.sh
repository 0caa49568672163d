#!/usr/bin/env bash
# The Python cases on the GPU, and a small subset of them under compute-sanitizer. Writes a summary that can be kept.
# usage: tools/test_gpu.sh PYTHON SUMMARY [cases|sanitizer]...
set -u
cd "$(dirname "$0")/.."
PY=$1 SUMMARY=$2
shift 2
STEPS=${*:-cases sanitizer}
SHARDS=${SHARDS:-$(n=$(nproc); echo $((n < 1 ? 1 : n > 16 ? 16 : n)))}
# One operator of each family: what a skeleton does wrong, it does wrong for all of its family.
KEYS="add.Tensor silu sum.dim_IntList argmax _softmax _fused_rms_norm cumsum index_select tril mm cat"
SUBSET=${SUBSET:-$(for k in $KEYS; do printf '%s-float32] or ' "[$k"; done | sed 's/ or $//')}
mkdir -p "$(dirname "$SUMMARY")"
log=${SUMMARY%.txt}.log
bad=0

{
  date -u +"%Y-%m-%d %H:%M UTC"
  "$PY" - <<'PYEOF'
import torch
p = torch.cuda.get_device_properties(0)
print(f"{p.name}, sm_{p.major}{p.minor}, torch {torch.__version__}, CUDA {torch.version.cuda}")
PYEOF
  nvidia-smi --query-gpu=driver_version --format=csv,noheader | sed 's/^/driver /'
  git rev-parse --short=12 HEAD 2>/dev/null | sed 's/^/commit /'
} | tee "$SUMMARY"

for step in $STEPS; do
  start=$SECONDS
  case $step in
    cases)
      # Compiling kernels is what takes the time, on one core a process: shards of the tests run beside each other.
      pids=()
      for i in $(seq 0 $((SHARDS - 1))); do
        "$PY" -m pytest tests/python --device cuda --opinfo "${OPINFO:-sample}" -q -ra -p no:cacheprovider --durations 10 --shard "$i/$SHARDS" >"$log.$i" 2>&1 &
        pids+=($!)
      done
      status=0
      for p in "${pids[@]}"; do wait "$p" || status=$?; done
      cat "$log".[0-9]* | tee "$log" | grep -E '^(FAILED|ERROR)'
      line=$(tail -qn 1 "$log".[0-9]* | grep -oE '[0-9]+ (passed|failed|errors?|skipped)' |
        awk '{ n[$2] += $1 } END { for (k in n) printf "%s %s, ", n[k], k }' | sed 's/, $//')
      rm -f "$log".[0-9]*
      ;;
    sanitizer)
      if ! command -v compute-sanitizer >/dev/null; then
        echo "sanitizer: compute-sanitizer is not on PATH" | tee -a "$SUMMARY"
        bad=1
        continue
      fi
      # torch's caching allocator would hide most out-of-bounds accesses inside its large blocks.
      PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool memcheck --error-exitcode 99 --launch-timeout 60 \
        "$PY" -m pytest tests/python/test_cases.py --device cuda -q -x -k "($SUBSET) and float32" 2>&1 | tee "$log.sanitizer"
      status=${PIPESTATUS[0]}
      line="$(grep -E '[0-9]+ (passed|failed|error)' "$log.sanitizer" | tail -n 1) | $(grep 'ERROR SUMMARY' "$log.sanitizer" | tail -n 1)"
      ;;
    *) echo "unknown step $step" >&2; exit 2 ;;
  esac
  printf '%s: %s: %s (%s s)\n' "$step" "$([ "$status" = 0 ] && echo passed || echo "FAILED ($status)")" "$line" $((SECONDS - start)) |
    tee -a "$SUMMARY"
  [ "$status" = 0 ] || bad=1
done
exit $bad
