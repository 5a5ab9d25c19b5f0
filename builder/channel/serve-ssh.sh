#!/bin/sh
# Serves SSH on the virtio-serial port org.livelab.ssh, one session after the other, as long as the guest runs.
#   serve-ssh.sh SSHD_CONFIG
# A session begins with two lines: this script sends "livelab ready", livelab sends "time <seconds since 1970>". The guest
# sets its clock to that time, because the clock is late after a restore from a saved state. This script answers any other
# line with "livelab ready".
# It sends blanks first: if sshd died within a packet, they fill that packet, so that livelab detects the error at once.
# The port can be opened only once, so all processes share one descriptor. Closing it discards unread input of a broken
# session. Unsent output of that session arrives before the blanks.
# Sources: Linux drivers/char/virtio_console.c (without a connected host side a write waits, and a read returns end of
# file); sshd(8) "-i".
set -u

find_port() {
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name")" = org.livelab.ssh ] || continue
    port=${name%/name}
    echo "/dev/${port##*/}"
  done
}

# Runs sshd between two pipes. Directly on the port, sshd would miss a request about once in 300 commands. It polls input and
# output of its connection in one poll(2). If both are the port, the kernel checks the port twice, and the second check, for
# output, removes data from the queue that arrived after the first. The interrupt then finds an empty queue and wakes no
# process (Linux 6.1, virtio_console.c: port_fops_poll; virtio_ring.c: vring_interrupt).
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
  # Avoid a busy loop while the port is missing or its host side is not connected.
  sleep 0.1
done
