#!/usr/bin/env bash
# Builds the wheels of what users install into dist/ and installs the plugin's wheel into .venv.
# In:  build/release (the plugin library, the default pack, the programs).  Out: dist/*.whl, .venv with both packages.
# Not here: compiling; publishing.
#
# `octile` stays an editable install in .venv, so the command always is the one of this checkout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
say() { printf 'package: %s\n' "$*"; }

build_wheel() {
  local project=$1
  rm -rf "python/$project/build" "python/$project/"*.egg-info
  .venv/bin/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist "python/$project"
}

main() {
  mkdir -p dist
  rm -f dist/*.whl
  local project
  for project in octile onnxruntime_ep_octile; do
    [[ -f python/$project/pyproject.toml ]] || continue
    build_wheel "$project"
  done
  if compgen -G 'dist/onnxruntime_ep_octile-*.whl' >/dev/null; then
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --force-reinstall \
      dist/onnxruntime_ep_octile-*.whl
  fi
  say "$(ls dist | tr '\n' ' ')"
}

main "$@" </dev/null
