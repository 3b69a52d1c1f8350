# Sourced by run.sh: the image built with buildah, and its container made by hand, where no container engine runs: own
# namespaces, the image's root read-only, its user without any capability. Needs root. The same functions as in engine.sh.

holder='' working='' mounted='' service='' parent=''
url=http://127.0.0.1:8080 # in the container's own network

# Storage that layers by overlay mounts is the default, but cannot be had inside of some containers.
choose_storage() {
  local probe
  if probe=$(buildah from scratch) && buildah mount "$probe" >/dev/null; then
    buildah rm "$probe" >/dev/null
  else
    export STORAGE_DRIVER=vfs
  fi
}

build_image() {
  buildah bud --isolation chroot --network host --format docker --layers --build-arg "BASE=$base" -t "$image" \
    -f docker/Dockerfile . || return 1
  working=$(buildah from --pull-never "$image") && mounted=$(buildah mount "$working") && holder=$(mktemp -d) || return 1
  cp -a "$mounted/data" "$holder/data" || return 1 # a new volume begins as the image's folder
  local user
  user=$(image_config | jq -r .User)
  mapfile -t environment < <(image_config | jq -r '.Env[]')
  mapfile -t command < <(image_config | jq -r '.Entrypoint[], .Cmd[]')
  as_user=(/usr/bin/env -i -C "$(image_config | jq -r .WorkingDir)" "${environment[@]}"
    /usr/bin/setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --inh-caps=-all
    --ambient-caps=-all --bounding-set=-all)
  contained=(unshare --mount --pid --net --ipc --uts --fork --kill-child tests/docker/enter.sh "$mounted" "$holder/data"
    "${as_user[@]}")
}

image_config() { buildah inspect --type image "$image" | jq .Docker.config; }

image_bytes() { du -s --block-size=1 "$mounted" | cut -f 1; }

once() { "${contained[@]}" "$@"; }

start_service() {
  "${contained[@]}" "${command[@]}" >"$holder/log" 2>&1 &
  parent=$! service=
  for _ in $(seq 100); do
    service=$(tr -d ' ' <"/proc/$parent/task/$parent/children") || return 1
    [ -z "$service" ] || return 0
    sleep 0.1
  done
  return 1
}

fetch() { nsenter --target "$service" --net curl -sS --noproxy '*' --max-time 60 "$@"; }

in_service() {
  nsenter --target "$service" --mount --pid --net --ipc --uts --root --wd=/ "${as_user[@]}" "$@"
}

service_log() { cat "$holder/log"; }

stop_service() {
  kill -TERM "$service"
  for _ in $(seq 600); do
    kill -0 "$parent" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$service" 2>/dev/null
  exit_code=0
  wait "$parent" || exit_code=$?
  parent='' service=''
}

clean_up() {
  [ -z "$service" ] || kill -KILL "$service"
  [ -z "$parent" ] || { kill -KILL "$parent"; wait "$parent"; }
  [ -z "$working" ] || buildah rm "$working"
  [ -z "$holder" ] || rm -rf "$holder"
} >/dev/null 2>&1
