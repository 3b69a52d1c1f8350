#!/usr/bin/env bash
# Builds the image of docker/Dockerfile and runs it for real, confined as docker/compose.yaml confines it.
#   tests/docker/run.sh      the last line counts the checks, the exit code says whether all passed
# Takes Docker if its engine answers, else Podman if it can run something, else (as root) buildah and namespaces made by
# hand, with a base image from debootstrap where no registry can be reached. STYLIZED_CONTAINERS=docker|podman|chroot
# chooses. Base image and build layers stay in the tool's storage, so that the next run is quick.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. scripts/lib.sh
. tests/docker/base.sh

image=localhost/stylized-test
passed=0 failed=0
scratch=$(mktemp -d)

# check NAME COMMAND...: passes when the command does, which runs in this very shell. What it says is shown if it fails.
check() {
  local name=$1
  shift
  if "$@" >"$scratch/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok: $name"
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
    tail -n 20 "$scratch/output"
    return 1
  fi
}

podman_works() { command -v podman >/dev/null && base_image podman && podman run --rm --network none "$base" true; }

choose_engine() {
  engine=${STYLIZED_CONTAINERS:-}
  if [ -n "$engine" ]; then return; fi
  engine=chroot
  if docker info >/dev/null 2>&1 && ! docker --version | grep -qi podman; then
    engine=docker
  elif podman_works >/dev/null 2>&1; then
    engine=podman
  fi
}

set_up() {
  install_packages curl jq || return 1
  choose_engine
  say "Containers by: $engine"
  if [ "$engine" != chroot ]; then
    . tests/docker/engine.sh
    base_image "$engine"
  else
    . tests/docker/chroot.sh
    [ "$(id -u)" = 0 ] || { echo "Neither Docker nor Podman runs here; buildah needs root" >&2; return 1; }
    install_packages buildah iproute2 && choose_storage && base_image buildah
  fi
}

# ---- The image

config_is() { jq -e "$1" <<<"$config"; }

has_label() { config_is ".Labels[\"org.opencontainers.image.$1\"] | length > 0"; }

version_matches() {
  local program
  program=$(once /usr/bin/stylized --version) || return 1
  [ "$program" = "stylized $(jq -r '.Labels["org.opencontainers.image.version"]' <<<"$config")" ] || { echo "$program"; return 1; }
}

# Fails on packages that build programs, on headers, and when dpkg does not answer.
no_build_tools() {
  local packages found
  packages=$(once /usr/bin/dpkg-query -W -f '${Package}\n') || return 1
  grep -qx libmicrohttpd12 <<<"$packages" || { echo "dpkg does not list what must be there"; return 1; }
  found=$(grep -E '^(gcc|g\+\+|cpp|clang|llvm|binutils|make|meson|ninja-build|python.*|.*-dev)(-[0-9]+)?$' <<<"$packages") &&
    { echo "$found"; return 1; }
  found=$(once /bin/sh -c 'ls -d /usr/include/* /usr/lib/*/*.a /source; command -v cc gcc clang ld python3' 2>/dev/null)
  [ -z "$found" ] || { echo "$found"; return 1; }
}

# The program itself is looked for, too, to see that the search works; it may not look into every folder.
no_setuid() {
  local found
  found=$(once /usr/bin/find / -xdev -type f '(' -perm /6000 -o -path /usr/bin/stylized ')' 2>/dev/null)
  echo "$found"
  [ "$found" = /usr/bin/stylized ]
}

libraries_found() {
  local output
  output=$(once /bin/sh -c 'ldd /usr/bin/stylized /usr/libexec/stylized/stylized-decode') || return 1
  grep -q libmicrohttpd <<<"$output" && ! grep -F 'not found' <<<"$output"
}

check_image() {
  config=$(image_config)
  check "a numeric user that is not root" config_is '.User | test("^[1-9][0-9]*:[1-9][0-9]*$")'
  check "entry point and command in exec form" config_is '.Entrypoint == ["/usr/bin/stylized"] and .Cmd == ["serve"]'
  check "a health check in exec form" config_is '.Healthcheck.Test == ["CMD", "/usr/bin/stylized", "health"]'
  check "one volume, /data" config_is '.Volumes | keys == ["/data"]'
  check "one port, 8080" config_is '.ExposedPorts | keys == ["8080/tcp"]'
  check "stopped by SIGTERM" config_is '.StopSignal == "SIGTERM"'
  for label in title description licenses version; do check "label $label" has_label "$label"; done
  check "the label version is the program's" version_matches
  check "no compiler, no headers, no Python" no_build_tools
  check "no program that changes its user" no_setuid
  check "all shared libraries are there" libraries_found
  bytes=$(image_bytes)
  check "less than 250 MB: $((bytes / 1000000)) MB" [ "$bytes" -lt 250000000 ]
}

# ---- The service

started() {
  start_service || return 1
  for _ in $(seq 100); do
    fetch -o /dev/null --fail "$url/readyz" 2>/dev/null && return 0
    sleep 0.2
  done
  service_log | tail -n 20
  return 1
}

confined() {
  local status
  status=$(in_service /bin/grep -E '^(Name|Uid|Gid|Cap.*|NoNewPrivs):' /proc/1/status) || return 1
  echo "$status"
  grep -Eq '^Name:\s+stylized$' <<<"$status" && grep -Eq '^NoNewPrivs:\s+1$' <<<"$status" &&
    [ "$(grep -Ec '^(Uid|Gid):(\s+10001){4}$' <<<"$status")" = 2 ] &&
    [ "$(grep -Ec '^Cap(Inh|Prm|Eff|Bnd|Amb):\s+0+$' <<<"$status")" = 5 ]
}

# In / and wherever else programs use to leave something; then in /data, which must work.
writable_data_only() {
  in_service /bin/sh -c 'for f in / /etc /home /opt /run /tmp /usr /usr/bin /var /var/tmp; do
      if touch "$f/probe" 2>/dev/null; then echo "$f can be written to"; exit 1; fi
    done
    grep -q " / [^ ]* ro[, ]" /proc/self/mountinfo || { echo "the root is not read-only"; exit 1; }
    touch /data/probe && rm /data/probe'
}

field() { jq -r "$1" "$scratch/job.json"; }

# submit FORM...: sets `job`; the answer must be 202.
submit() {
  local status
  status=$(fetch -o "$scratch/job.json" -w '%{http_code}' "$@" "$url/v1/jobs")
  cat "$scratch/job.json"
  [ "$status" = 202 ]
}

# await ID STATES: polls until the job's state is one of them, for a minute at most.
await() {
  for _ in $(seq 300); do
    fetch --fail -o "$scratch/job.json" "$url/v1/jobs/$1" || return 1
    jq -e --arg states "$2" '.state | IN($states | splits(" "))' "$scratch/job.json" >/dev/null && return 0
    sleep 0.2
  done
  cat "$scratch/job.json"
  return 1
}

# The PNG of job $1: its digest is the announced one, and its header says 64 x 64.
result_is_there() {
  fetch --fail -o "$scratch/result.png" "$url/v1/jobs/$1/result" || return 1
  local digest announced
  digest=$(sha256sum "$scratch/result.png" | cut -d ' ' -f 1)
  fetch --fail -o "$scratch/job.json" "$url/v1/jobs/$1" && announced=$(field .output.sha256) || return 1
  echo "$digest, announced $announced"
  [ "$digest" = "$announced" ] &&
    [ "$(od -An -tx1 -N24 "$scratch/result.png" | tr -d ' \n')" = 89504e470d0a1a0a0000000d494844520000004000000040 ]
}

refused() { # STATUS FILE: as the content of a job
  local status
  status=$(fetch -o "$scratch/problem.json" -w '%{http_code}' -F "content=@$2" -F style=@examples/swirl.jpg "$url/v1/jobs")
  cat "$scratch/problem.json"
  [ "$status" = "$1" ]
}

page_is_there() { fetch --fail "$url/" | grep -qi '<!doctype html>'; }

healthy() { in_service /usr/bin/stylized health; }
unhealthy() { ! once /usr/bin/stylized health http://127.0.0.1:8080/healthz; }

stopped_well() { # SECONDS of the stop
  [ "$exit_code" = 0 ] && [ "$1" -lt 30 ] || { echo "exit code $exit_code after $1 s"; return 1; }
}

check_service() {
  local form=(-F content=@examples/cat.jpg -F style=@examples/swirl.jpg -F size=64) job long before
  check "the service starts" started || return
  check "process 1 is the service, as user 10001, without capabilities" confined
  check "only /data can be written to" writable_data_only
  check "the health check passes" healthy
  check "the page is served" page_is_there
  check "a job is accepted" submit "${form[@]}" -F iterations=5
  job=$(field .id)
  check "the job succeeds" await "$job" succeeded
  check "its picture is a PNG of 64 x 64" result_is_there "$job"
  head -c 20000 examples/cat.jpg >"$scratch/truncated.jpg"
  check "a truncated picture is refused by its decoder" refused 415 "$scratch/truncated.jpg"

  check "a long job is accepted" submit "${form[@]}" -F iterations=10000
  long=$(field .id)
  check "the long job runs" await "$long" running
  before=$SECONDS
  stop_service
  check "SIGTERM ends it with exit code 0 within the grace" stopped_well $((SECONDS - before))
  check "the health check fails after that" unhealthy

  check "the service starts again on the same data" started || return
  check "the picture is still there" result_is_there "$job"
  check "the interrupted job runs again" await "$long" running
  stop_service
}

# Where Compose is there; the other checks hold with and without it.
check_compose() {
  local compose
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    return 0
  fi
  check "docker/compose.yaml is valid" "${compose[@]}" -f docker/compose.yaml config
}

end() {
  clean_up
  rm -rf "$scratch"
}

set_up || { rm -rf "$scratch"; echo "0 passed, 1 failed"; exit 1; }
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

began=$SECONDS
say "Building the image"
if build_image >"$scratch/build.log" 2>&1; then
  say "Built in $((SECONDS - began)) s"
  check_compose
  check_image
  check_service
else
  tail -n 40 "$scratch/build.log" >&2
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
