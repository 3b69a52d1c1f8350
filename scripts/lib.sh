# Sourced by the scripts beside it: what they share. Needs bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# What building needs, and what the tests need beyond it (Debian package names).
build_packages=(gcc pkg-config meson ninja-build libmicrohttpd-dev libcjson-dev libopenblas-dev libstb-dev libuv1-dev
  libwebp-dev libsqlite3-dev libseccomp-dev libsodium-dev libpng-dev libjpeg62-turbo-dev libinih-dev
  libcurl4-gnutls-dev libc6-dev python3)
demo_packages=(curl jq)
test_packages=(libcmocka-dev zlib1g-dev clang libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck chromium git curl jq)

# install_packages NAME...: with apt, those that are missing.
install_packages() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "As another user than root this needs sudo to install: ${missing[*]}" >&2; return 1; }
    as_root=(sudo)
  fi
  say "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Node.js and npm from Debian unless they are there already, from wherever.
install_node() {
  command -v node >/dev/null || install_packages nodejs
  command -v npm >/dev/null || install_packages npm
}

# configure FOLDER [MESON OPTION...]: a build folder, made once and reconfigured after that.
configure() {
  local folder=$1
  shift
  if [ -f "$folder/build.ninja" ]; then
    meson setup --reconfigure "$folder" "$root" "$@" >/dev/null
  else
    meson setup "$folder" "$root" "$@" >"$folder.log" 2>&1 || { cat "$folder.log" >&2; return 1; }
    rm -f "$folder.log"
  fi
}

# configure_asan: the build with AddressSanitizer and UndefinedBehaviorSanitizer, for tests and fuzz targets.
configure_asan() { CC=clang configure "$root/build-asan" -Dfuzz=true -Dsanitize=address,undefined -Db_lundef=false; }
