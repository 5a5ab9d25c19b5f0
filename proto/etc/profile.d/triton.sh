# shellcheck shell=sh
# Puts Triton's commands on the PATH of login shells.
PATH=$PATH:/usr/triton/bin:/usr/node/bin
export PATH
