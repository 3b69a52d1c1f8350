# Sourced by run.sh: the image that docker/Dockerfile builds on, also where no registry can be reached.

has_image() { # TOOL NAME
  case "$1" in
    buildah) buildah inspect --type image "$2" ;;
    *) "$1" image inspect "$2" ;;
  esac >/dev/null 2>&1
}

# base_image TOOL: sets `base` to an image in TOOL's storage: Debian's official one or, without a registry, one made with
# debootstrap, which is kept for the next time under a name of its own.
base_image() {
  local tool=$1 official=docker.io/library/debian:bookworm-slim own=localhost/stylized-test-base:bookworm
  base=$official
  has_image "$tool" "$official" && return 0
  base=$own
  has_image "$tool" "$own" && return 0
  base=$official
  timeout 300 "$tool" pull -q "$official" >/dev/null 2>&1 && return 0
  base=$own
  say "No registry answers: making the base image with debootstrap"
  install_packages debootstrap && make_base "$tool" "$own"
}

# What the official slim image leaves out, too.
slim_down() { # FOLDER
  rm -rf "${1:?}"/{dev,usr/share/{doc,info,locale,man},var/cache/apt/archives,var/lib/apt/lists}/*
}

# The package sources of this machine, if it is of the same release; its mirrors may be the only ones in reach.
copy_sources() { # FOLDER
  local name
  grep -q '^VERSION_CODENAME=bookworm' /etc/os-release || return 0
  rm -f "$1/etc/apt/sources.list"
  for name in apt.conf.d keyrings preferences.d sources.list sources.list.d trusted.gpg.d; do
    [ ! -e "/etc/apt/$name" ] || cp -a "/etc/apt/$name" "$1/etc/apt/" || return 1
  done
  [ ! -d /usr/share/keyrings ] || cp -a /usr/share/keyrings "$1/usr/share/"
}

import_image() { # TOOL ARCHIVE NAME
  local container
  if [ "$1" != buildah ]; then
    "$1" import "$2" "$3" >/dev/null
    return
  fi
  container=$(buildah from scratch) &&
    buildah add -q "$container" "$2" / >/dev/null &&
    buildah config --cmd /bin/bash "$container" &&
    buildah commit -q --rm "$container" "$3" >/dev/null
}

make_base() { # TOOL NAME
  local folder status=0
  [ "$(id -u)" = 0 ] || { echo "debootstrap needs root" >&2; return 1; }
  folder=$(mktemp -d -p /var/tmp) # /tmp is often mounted without what debootstrap needs
  debootstrap --variant=minbase bookworm "$folder/root" >"$folder/log" 2>&1 &&
    copy_sources "$folder/root" && slim_down "$folder/root" &&
    tar -C "$folder/root" -cf "$folder/root.tar" . && import_image "$1" "$folder/root.tar" "$2" || status=1
  [ "$status" = 0 ] || tail -n 20 "$folder/log" >&2
  rm -rf "$folder"
  return "$status"
}
