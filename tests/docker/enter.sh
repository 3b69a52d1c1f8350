#!/bin/sh
# Runs a command in an image's root as a container engine does. To be called by root in mount, process and network
# namespaces of its own.
#   enter.sh ROOT DATA COMMAND...     ROOT becomes read-only, DATA its writable /data
set -eu
root=$1 data=$2
shift 2

mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,noexec,mode=755,size=64k dev "$root/dev"
for name in null zero full random urandom; do
  : >"$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mount -o remount,bind,ro "$root/dev"
mount -o remount,bind,ro "$root"
ip link set lo up
exec chroot "$root" "$@"
