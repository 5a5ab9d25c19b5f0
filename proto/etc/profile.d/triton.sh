# shellcheck shell=sh
# Triton's commands for login shells.
PATH=$PATH:/usr/triton/bin:/usr/node/bin
export PATH
