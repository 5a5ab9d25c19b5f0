#!/bin/sh
# Serves SSH on the virtio-serial port org.livelab.ssh, one session after the other, for as long as the guest runs.
#   serve-ssh.sh SSHD_CONFIG
# A session begins with two lines: "livelab ready" from here, "time <seconds since 1970>" from livelab, by which the
# guest sets its clock (one that was restored from a saved state is late). Any other line is answered by "livelab ready".
# Blanks come first: where sshd died amid a packet, they fill that packet up, so that livelab sees at once that it is wrong.
# The port can be opened once only, so one descriptor serves all; closing it drops what a broken session left in it.
# Sources: Linux drivers/char/virtio_console.c (a write waits until the host side is connected, a read meets the
# end of file where it is not); sshd(8) "-i".
set -u

find_port() {
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name")" = org.livelab.ssh ] || continue
    port=${name%/name}
    echo "/dev/${port##*/}"
  done
}

serve_session() {
  printf '%65536s\nlivelab ready\n' ''
  while read -r word value; do
    if [ "$word" = time ]; then
      date --set="@$value" >/dev/null
      exec /usr/sbin/sshd -i -e -f "$1" 2>/dev/console
    fi
    echo 'livelab ready'
  done
}

while :; do
  port=$(find_port)
  if [ -e "$port" ]; then (exec <>"$port" >&0 && serve_session "$1"); fi
  # Not an endless rush where the port is missing, or its host side is gone while a line is awaited.
  sleep 0.1
done
