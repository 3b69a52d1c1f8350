# Sourced by run.sh: the image and its container with Docker or Podman ($engine). The same functions as in chroot.sh.

container='' volume=stylized-test-$$
hardened=(--read-only --cap-drop ALL --security-opt no-new-privileges --pids-limit 512)
format=()
if [ "$engine" = podman ]; then
  hardened+=(--read-only-tmpfs=false) # Podman's own default is a writable /tmp
  format=(--format docker)            # OCI's format has no HEALTHCHECK
fi

build_image() { "$engine" build "${format[@]}" --build-arg "BASE=$base" -t "$image" -f docker/Dockerfile .; }

image_config() { "$engine" image inspect "$image" | jq '.[0] | .Config + {Healthcheck: (.Config.Healthcheck // .Healthcheck)}'; }

image_bytes() { "$engine" image inspect "$image" | jq '.[0].Size'; }

# once PROGRAM ARGUMENT...: a container for this program alone.
once() { "$engine" run --rm --network none "${hardened[@]}" --entrypoint "$1" "$image" "${@:2}"; }

start_service() {
  container=$("$engine" run -d "${hardened[@]}" -v "$volume:/data" -p 127.0.0.1::8080 "$image") || return 1
  url=http://$("$engine" port "$container" 8080/tcp | head -n 1)
}

fetch() { curl -sS --noproxy '*' --max-time 60 "$@"; }

in_service() { "$engine" exec "$container" "$@"; }

service_log() { "$engine" logs "$container" 2>&1; }

# Sets `exit_code`.
stop_service() {
  "$engine" stop -t 60 "$container" >/dev/null
  exit_code=$("$engine" inspect -f '{{.State.ExitCode}}' "$container")
  "$engine" rm "$container" >/dev/null
  container=
}

clean_up() {
  [ -z "$container" ] || "$engine" rm -f "$container"
  "$engine" volume rm "$volume"
} >/dev/null 2>&1
