#!/usr/bin/env bash
# All static checks. usage: tools/lint.sh [PYTHON with ruff] [CHECK...]    CHECK: arrows table ruff format tidy neon
# Exit status 1 if one failed. A tool that is missing fails its check, so that no check is passed by accident.
set -u
cd "$(dirname "$0")/.."
PY=${1:-python3}
shift || true
CHECKS=${*:-arrows table ruff format tidy neon}
JOBS=${JOBS:-$(nproc)}
failed=()

need() { command -v "$1" >/dev/null 2>&1 || { echo "$1 is missing; on Debian: apt-get install $2"; return 1; }; }

arrows() { "$PY" tools/check_arrows.py; }
table() { "$PY" tools/served_table.py --check; }
ruff() { "$PY" -m ruff check . && "$PY" -m ruff format --check .; }

format() {
  need clang-format-14 clang-format-14 || return 1
  git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cuh' '*.cpp' |
    xargs -0 clang-format-14 --dry-run --Werror 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c |
    awk '{ print "not formatted: " $2 " (" $1 " places)"; n++ } END { if (n) { print "clang-format-14 -i FILE puts it right"; exit 1 } }'
}

tidy() {
  need clang-tidy-14 clang-tidy-14 || return 1
  # Needs only the core's compile commands: no torch, no chip.
  cmake -S . -B build/tidy -DCMAKE_BUILD_TYPE=Debug -DGEMS_TORCH=OFF -DGEMS_LIB_DIR="$PWD/build/tidy/lib" >build/tidy.log 2>&1 ||
    { cat build/tidy.log; return 1; }
  git ls-files 'core/*.cpp' 'core/**/*.cpp' | sort -u | xargs -P "$JOBS" -n 4 clang-tidy-14 --quiet -p build/tidy 2>/dev/null |
    grep -E 'warning:|error:' | sort -u | tee build/tidy.txt
  [ ! -s build/tidy.txt ]
}

neon() {
  need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu || return 1
  cmake --preset neon >build/neon.log 2>&1 && cmake --build --preset neon -j "$JOBS" >>build/neon.log 2>&1 ||
    { tail -n 40 build/neon.log; return 1; }
}

mkdir -p build
for check in $CHECKS; do
  start=$SECONDS
  if out=$("$check" 2>&1); then state=ok; else state=FAILED; failed+=("$check"); fi
  [ -z "$out" ] || printf '%s\n' "$out"
  printf '== %-7s %s (%s s)\n' "$check" "$state" $((SECONDS - start))
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: all checks passed"
