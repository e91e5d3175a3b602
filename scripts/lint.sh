#!/usr/bin/env bash
# Formatting and static checks.
# In:  nothing; --fix rewrites, --junit FILE also writes the results there; --tidy [REGEX] runs clang-tidy too, on the files
#      whose path matches (it wants a configured release preset and takes seconds per file).  Out: non-zero when something is off.
# Not here: what the rules are (.clang-format, .clang-tidy, ruff.toml).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
fix='' junit='' tidy=''
while (($#)); do
  case $1 in
    --fix) fix=1 ;;
    --junit) junit=$2; shift ;;
    --tidy) tidy=/; if [[ ${2:-} && ${2:-} != --* ]]; then tidy=$2; shift; fi ;;
    *) echo "lint: unknown option $1; known: --fix, --junit FILE, --tidy [REGEX]" >&2; exit 2 ;;
  esac
  shift
done
ruff() { .venv/bin/ruff "$@"; }
cases='' failures=0

check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'lint: %s: ok\n' "$name"
    cases+="<testcase classname='lint' name='$name'/>"
  else
    printf 'lint: %s: FAILED\n%s\n' "$name" "$(head -n 40 <<<"$output")"
    cases+="<testcase classname='lint' name='$name'><failure/></testcase>"
    failures=$((failures + 1))
  fi
}

clang_format() {
  git ls-files -z '*.h' '*.cpp' '*.c' '*.cc' | xargs -0 -r clang-format --style=file "${@}"
}

clang_tidy() {
  local output
  output=$(run-clang-tidy -quiet -j "$(nproc)" -p build/release "$tidy" 2>/dev/null) && return
  grep -E 'error:|Error' <<<"$output" | sort -u
  return 1
}

shell_syntax() {
  local file
  while IFS= read -r -d '' file; do bash -n "$file" || return 1; done < <(git ls-files -z '*.sh' .ci/run)
}

if [[ $fix ]]; then
  clang_format -i
  ruff check -q --fix .
  ruff format -q .
fi
check clang-format clang_format --dry-run -Werror
check ruff-check ruff check -q .
check ruff-format ruff format --check -q .
check shell-syntax shell_syntax
if [[ $tidy ]]; then check clang-tidy clang_tidy; fi
if [[ $junit ]]; then
  printf "<testsuite name='lint' failures='%d'>%s</testsuite>\n" "$failures" "$cases" >"$junit"
fi
exit "$((failures > 0))"
