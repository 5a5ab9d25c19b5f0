# shellcheck shell=sh
# Mounts overlayfs from a folder that overlay.ts prepared. sandbox-init.sh and namespace-trial.sh source this file.

# mount_overlay FOLDER TARGET: both are absolute paths. /proc/mounts shows FOLDER as the mount's source, which identifies the
# machine. The kernel accepts at most 255 bytes of it, so a longer path is cut.
mount_overlay() (
  # The options contain paths relative to the folder.
  cd "$1" || exit
  exec mount -t overlay -o "$(cat options)" "$(printf %.200s "$1")" "$2"
)
