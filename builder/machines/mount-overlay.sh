# shellcheck shell=sh
# Mounts overlayfs from a folder that overlay.ts laid out; sourced by sandbox-init.sh and namespace-trial.sh.

# mount_overlay FOLDER NAME TARGET: FOLDER and TARGET are absolute paths; NAME is what /proc/mounts shows.
mount_overlay() (
  # The options name the layers relative to the folder.
  cd "$1" || exit
  exec mount -t overlay -o "$(cat options)" "$2" "$3"
)
