#!/bin/sh
# Runs commands that arrive over a serial line, and answers in frames that the host can check.
# receiver.ts types this file into a shell, so it must stay short. Comments are not sent.
#
# Processes are expensive in an emulated guest, so this script uses here-documents instead of pipes.
#
# In:  SEQ VERB DATA SUM     SUM is the cksum of the line "SEQ VERB DATA". A repeated SEQ is answered, but not run again.
#      c  DATA is the beginning of a command, in base64     a  DATA continues the command
#      r  run it, then send lines DATA of the answer (a sed script: 1,64p)
#      g  send lines DATA of the answer                     q  quit
# Out: ~ready~               ~nak~  a line was garbled
#      ~SEQ ok~  accepted    ~SEQ run~  running            ~SEQ end~  the requested lines have been sent
#      ~SEQ N TEXT~          line N of the answer to the run SEQ. Line 1 is
#      STATUS SUM LENGTH SUM LENGTH SUM: exit status, stdout, stderr, and the sum of the line up to there.
#      The next lines are stdout and stderr in base64.
set -f
dir=$(mktemp -d) || exit
pid=
command=
last=
trap 'rm -rf "$dir"; stty echo' EXIT
# ^C kills the command even if it ignores signals. It has its own session, and so its own process group.
trap '[ -z "$pid" ] || kill -KILL "-$pid" 2>/dev/null || kill -KILL "$pid"' INT
trap '' QUIT TSTP
trap exit HUP TERM
stty -echo

send() {
	sed -n "$2" "$dir/answer"
	echo "~$1 end~"
}

sum() {
	set -- "$(cksum <<-END
		$1
	END
	)"
	sum=${1%% *}
}

run() {
	setsid sh -c "$(base64 -d <<-END
		$command
	END
	)" </dev/null >"$dir/out" 2>"$dir/err" &
	pid=$!
	echo "~$1 run~"
	wait "$pid"
	status=$?
	# A ^C ends the wait, but perhaps not the command.
	while kill -0 "$pid" 2>/dev/null; do
		wait "$pid"
		status=$?
	done
	pid=
	seq=$1
	# Background processes of the command may write forever. The answer is a copy of the output so far, and the next
	# command gets new files. One byte beyond the limit is enough for the host to reject the answer.
	for each in out err; do
		head -c 4194305 "$dir/$each" >"$dir/$each.now"
	done
	rm "$dir/out" "$dir/err"
	# shellcheck disable=SC2046 # SUM LENGTH NAME, twice
	set -- $(cd "$dir" && cksum out.now err.now)
	head="$status $1 $2 $4 $5"
	sum "$head"
	{
		echo "$head $sum"
		[ "$2" = 0 ] || base64 -w 240 "$dir/out.now"
		[ "$5" = 0 ] || base64 -w 240 "$dir/err.now"
	} | nl -ba -w1 -s' ' | sed "s/.*/~$seq &~/" >"$dir/answer"
}

echo "~ready~"
while :; do
	# A ^C also ends a read. The end of the input ends the script.
	IFS= read -r line || {
		[ $? -gt 128 ] && continue
		exit
	}
	# shellcheck disable=SC2086 # the words of the frame
	set -- $line
	[ $# -gt 0 ] || continue
	sum "$1 $2 $3"
	[ "$4" = "$sum" ] || {
		echo "~nak~"
		continue
	}
	case $2 in
	g)
		send "$1" "$3"
		continue
		;;
	r)
		[ "$1" = "$last" ] || run "$1"
		last=$1
		send "$1" "$3"
		continue
		;;
	q) exit ;;
	esac
	[ "$1" = "$last" ] || case $2 in
	c) command=$3 ;;
	a) command=$command$3 ;;
	esac
	last=$1
	echo "~$1 ok~"
done
