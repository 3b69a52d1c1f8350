# Sourced by scripts/test and scripts/sanitize: runs tests, and counts them. Needs bash.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# With the seconds so far: all of scripts/test is to take less than 20 minutes.
say() { printf '\033[1m==>\033[0m %s (after %d s)\n' "$*" "$SECONDS"; }

passed=0 failed=0
count() { passed=$((passed + $1)) failed=$((failed + $2)); }

# report: the line that counts them all, and whether all passed.
report() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; }

# check NAME COMMAND...: one test that passes when the command does.
check() {
  local name=$1
  shift
  say "$name"
  if "$@"; then count 1 0; else count 0 1; echo "FAILED: $name"; return 1; fi
}

# counted SCRIPT ARGUMENT...: adds what a script reported.
counted() {
  local log status ok=0 bad=0
  log=$(mktemp)
  say "$*"
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] && ok=${BASH_REMATCH[1]} bad=${BASH_REMATCH[2]}
  [ "$status" = 0 ] && [ $((ok + bad)) -gt 0 ] || [ "$bad" -gt 0 ] || bad=1
  rm -f "$log"
  count "$ok" "$bad"
}

# build FOLDER MESON_OPTION...
build() { configure "$root/$1" "${@:2}" && ninja -C "$root/$1" --quiet; }

# number LABEL: what follows "LABEL:" (meson) or "ℹ LABEL" (node's test runner) in standard input, added up.
number() { awk -v label="$1" '$0 ~ "^(ℹ )?" label ":? +[0-9]+ *$" { n += $NF } END { print n + 0 }'; }

# meson_tests FOLDER ARGUMENT...: runs tests of a build and counts them; a run without any counts as failed.
meson_tests() {
  local folder=$root/$1 log
  shift
  log=$(mktemp)
  say "meson test -C $(basename "$folder") $*"
  meson test -C "$folder" --print-errorlogs "$@" 2>&1 | tee "$log"
  local ok bad
  ok=$(number Ok <"$log") bad=$(($(number Fail <"$log") + $(number Timeout <"$log") + $(number "Unexpected Pass" <"$log")))
  [ $((ok + bad)) -gt 0 ] || bad=1
  rm -f "$log"
  count "$ok" "$bad"
}

# node_tests FOLDER ARGUMENT...: the HTTP tests against that build of the program.
node_tests() {
  local log status
  log=$(mktemp)
  say "HTTP tests of $1: ${*:2}"
  STYLIZED_BIN=$root/$1/src/app/stylized tests/http/run.sh "${@:2}" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  local ok bad
  ok=$(number pass <"$log") bad=$(($(number fail <"$log") + $(number cancelled <"$log")))
  [ "$status" = 0 ] && [ $((ok + bad)) -gt 0 ] || [ "$bad" -gt 0 ] || bad=1
  rm -f "$log"
  count "$ok" "$bad"
}
