# shellcheck shell=sh
# Mounts overlayfs from a folder that overlay.ts laid out; sourced by sandbox-init.sh and namespace-trial.sh.

# mount_overlay FOLDER TARGET: both are absolute paths. /proc/mounts shows FOLDER as the mount's source, so that it is known whose
# the mount is; the kernel takes 255 bytes of that, too, and a longer path is cut.
mount_overlay() (
  # The options name the layers relative to the folder.
  cd "$1" || exit
  exec mount -t overlay -o "$(cat options)" "$(printf %.200s "$1")" "$2"
)
