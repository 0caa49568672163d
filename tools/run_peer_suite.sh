#!/usr/bin/env bash
# Runs FlagGems' own test files against this package and keeps what came out.
#
# usage: tools/run_peer_suite.sh --runner SCRIPT --peer CHECKOUT [--python PYTHON] [--name NAME] [FILE... | all] [-- RUNNER OPTION...]
#
#   SCRIPT    copies the test files of CHECKOUT away from its package, runs them file by file and writes results.csv with the
#             columns file,status,passed,failed,skipped,errors,hits,seconds,first_reason (or set PEER_RUNNER)
#   CHECKOUT  a FlagGems checkout (or set PEER_CHECKOUT)
#   NAME      the results go to docs/results/NAME.csv and NAME.md (default: peer-suite)
#
# hits are cases during which at least one kernel of ours ran: without them a case passes through native torch unnoticed.
set -eu
cd "$(dirname "$0")/.."
RUNNER=${PEER_RUNNER:-} PEER=${PEER_CHECKOUT:-} PYTHON=.venv/bin/python NAME=peer-suite
usage() { sed -n '2,/^set -eu/p' "$0" | sed '$d; s/^# \{0,1\}//'; exit 2; }
FILES=()
while [ $# -gt 0 ]; do
  case $1 in
    --runner) RUNNER=$2; shift 2 ;;
    --peer) PEER=$2; shift 2 ;;
    --python) PYTHON=$2; shift 2 ;;
    --name) NAME=$2; shift 2 ;;
    --) shift; break ;;
    -*) usage ;;
    *) FILES+=("$1"); shift ;;
  esac
done
[ -n "$RUNNER" ] && [ -n "$PEER" ] || usage
[ ${#FILES[@]} -gt 0 ] || FILES=(all)
OUT=$PWD/build/$NAME
mkdir -p "$OUT" docs/results
PYTHONPATH=$PWD/src${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
start=$(date -u +%Y-%m-%dT%H:%MZ)
status=0
bash "$RUNNER" --out "$OUT" "$@" "$PYTHON" "$PEER" "${FILES[@]}" | tee "$OUT/run.log" || status=$?
[ -s "$OUT/results.csv" ] || { echo "the runner wrote no results (status $status)"; exit 1; }
"$PYTHON" tools/peer_summary.py "$OUT" "docs/results/$NAME" "$start"
