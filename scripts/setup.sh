#!/usr/bin/env bash
# Makes a Debian 12 machine able to build, test and run Octile; run it as often as you like.
# In:  nothing, or --demo / --peers for the extra Python packages.  Out: Debian packages, .venv/ with pinned packages.
# Not here: building (cmake), tests (test.sh), the OCR demonstration (demo.sh).
#
# Debian packages need root or sudo; when all are there already, neither is used and nothing is downloaded.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { printf 'setup: %s\n' "$*"; }

debian_packages=(
  g++ git binutils ca-certificates python3 python3-venv ninja-build ccache   # build
  libgtest-dev libgmock-dev libbenchmark-dev nlohmann-json3-dev libcli11-dev libsodium-dev libxxhash-dev rapidjson-dev  # libraries
  lld-19 llvm-19                                                             # linking packs, the instruction gate
  bochs bochsbios vgabios                                                    # AVX-512 VNNI on an emulated Ice Lake
  clang-format clang-tidy                                                    # lint
  libgl1 libglib2.0-0 fonts-dejavu-core                                      # the demonstration: OpenCV, text pictures
)

install_debian_packages() {
  local missing=() package
  for package in "${debian_packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "all ${#debian_packages[@]} Debian packages are installed"
    return
  fi
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      say "missing Debian packages and no root: run as root  apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    </dev/null >/dev/null
}

# One stamp per requirements file: its hash, so a changed pin installs again and an unchanged one costs nothing.
install_requirements() {
  local file=$1 stamp want
  stamp="$root/.venv/.installed-$(basename "$file" .txt)"
  want=$(sha256sum <"$root/$file")
  if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
    say "$file is installed"
    return
  fi
  say "installing $file into .venv"
  "$root/.venv/bin/python" -m pip install -q --disable-pip-version-check -r "$root/$file" </dev/null
  printf '%s\n' "$want" >"$stamp"
}

make_venv() {
  if [[ ! -x $root/.venv/bin/python ]]; then
    say "making .venv"
    "${OCTILE_PYTHON:-/usr/bin/python3}" -m venv "$root/.venv"
  fi
}

# CMake finds Halide at .venv/halide and zig at .venv/ziglang, whatever the Python version is.
link_tools() {
  local name package
  for name in halide ziglang; do
    package=$("$root/.venv/bin/python" -c \
      'import importlib.util, pathlib, sys; print(pathlib.Path(importlib.util.find_spec(sys.argv[1]).origin).parent)' "$name")
    ln -sfn "$(realpath --relative-to="$root/.venv" "$package")" "$root/.venv/$name"
  done
}

install_command() {
  local stamp="$root/.venv/.installed-octile" want
  [[ -f $root/python/octile/pyproject.toml ]] || return 0
  want=$(printf '%s\n' "$root" | cat - "$root/python/octile/pyproject.toml" | sha256sum)
  if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then return; fi
  say "installing the octile command into .venv (editable)"
  "$root/.venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
    -e "$root/python/octile" </dev/null
  printf '%s\n' "$want" >"$stamp"
}

main() {
  local requirements=(requirements.txt) option
  for option in "$@"; do
    case $option in
      --demo) requirements+=(requirements-demo.txt) ;;
      --peers) requirements+=(requirements-peers.txt) ;;
      *) say "unknown option $option; known: --demo --peers" >&2; exit 2 ;;
    esac
  done
  install_debian_packages
  make_venv
  for option in "${requirements[@]}"; do install_requirements "$option"; done
  link_tools
  install_command
}

main "$@"
