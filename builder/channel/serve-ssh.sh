#!/bin/sh
# Serves SSH on the virtio-serial port org.livelab.ssh, one session after the other, for as long as the guest runs.
#   serve-ssh.sh SSHD_CONFIG
# A session begins with two lines: "livelab ready" from here, "time <seconds since 1970>" from livelab, by which the
# guest sets its clock (one that was restored from a saved state is late). Any other line is answered by "livelab ready".
# Blanks come first: where sshd died amid a packet, they fill that packet up, so that livelab sees at once that it is wrong.
# The port can be opened once only, so one descriptor serves all; closing it drops what a broken session left in it
# unread. What that had yet to send comes before the blanks.
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

# Puts sshd between two pipes. On the port itself it would fall asleep over a request, once in some 300 commands: it asks
# for input and for output of its connection in one poll(2), and where both are the port, what comes between the two
# questions is taken off the queue by the second one, which is not about input; the interrupt then finds the queue
# empty, and wakes nobody (Linux 6.1, virtio_console.c: port_fops_poll; virtio_ring.c: vring_interrupt).
relay() {
  cat <&3 >/run/to-sshd &
  /usr/sbin/sshd -i -e -f "$1" </run/to-sshd 2>/dev/console | cat
  kill $! 2>/dev/null
  wait
}

serve_session() {
  printf '%65536s\nlivelab ready\n' ''
  while read -r word value; do
    if [ "$word" = time ]; then
      date --set="@$value" >/dev/null
      relay "$1"
      return
    fi
    echo 'livelab ready'
  done
}

rm -f /run/to-sshd
mkfifo /run/to-sshd
while :; do
  port=$(find_port)
  if [ -e "$port" ]; then (exec 3<>"$port" <&3 >&3 && serve_session "$1"); fi
  # Not an endless rush where the port is missing, or its host side is gone while a line is awaited.
  sleep 0.1
done
