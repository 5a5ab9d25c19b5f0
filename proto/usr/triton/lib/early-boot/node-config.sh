# shellcheck shell=sh
# Reads node.config. docs/node-config.md of the image's sources describes its form. sysinfo (sysinfo/node-config.mjs) and the
# boot test (harness/cn-files/node-config.ts) read it in the same way; fixtures/node-config checks that all three agree.
# Values are never evaluated and never logged.

node_config_blanks=' 	' # a space and a tab
node_config_cr=$(printf '\r')
node_config_mark=$(printf '\357\273\277')
node_config_controls=$(printf '[\001-\010\013-\037\177]')
LC_ALL=C # ${#1} counts bytes

# Longest line in bytes, without its line feed. Values are addresses, names and hashes; the longest that a headnode writes is a
# list of addresses. The shell's expansions take quadratic time: at worst 0.03 s for this length, and minutes for 128 KiB.
node_config_longest=1024

# node_config_trim: removes spaces and tabs from the beginning of $rest.
node_config_trim() {
	rest=${rest#"${rest%%[!"$node_config_blanks"]*}"}
}

# read_node_config_line LINE: sets $key and $value to the assignment in LINE.
# Returns 1 for an empty line or a comment. Returns 2 for a malformed line, with the reason in $why; $key is then set only if
# it is known. Of a line that is too long only the beginning is read.
read_node_config_line() {
	key=
	value=
	why=
	if [ "${#1}" -gt "$node_config_longest" ]; then
		why="is longer than $node_config_longest bytes"
		set -- "$(printf "%.${node_config_longest}s" "$1")"
	fi
	rest=${1#"$node_config_mark"}
	rest=${rest%"$node_config_cr"}
	node_config_trim
	case $rest in
	'#'*) return 1 ;;
	'') [ -n "$why" ] || return 1 ;;
	export["$node_config_blanks"]*)
		rest=${rest#export}
		node_config_trim
		;;
	esac
	case $rest in
	[A-Za-z_]*=*) key=${rest%%=*} ;;
	esac
	case $key in
	'' | *[!A-Za-z0-9_]*)
		key=
		why="does not begin with KEY="
		return 2
		;;
	esac
	[ -z "$why" ] || return 2
	rest=${rest#*=}
	# shellcheck disable=SC2254 # a pattern
	case $rest in
	*$node_config_controls*) why="contains a control character" ;;
	"'"*) take_single_quoted ;;
	'"'*) take_double_quoted ;;
	*) take_bare ;;
	esac
	[ -z "$why" ] || return 2
	case $rest in
	'' | ["$node_config_blanks"]*) node_config_trim ;;
	*) why="has text directly after its closing quote" ;;
	esac
	case $why,$rest in
	,'' | ,'#'*) return 0 ;;
	,*) why="has text after its value" ;;
	esac
	return 2
}

# take_single_quoted, take_double_quoted, take_bare: move the value from the beginning of $rest to $value, or set $why.
take_single_quoted() {
	rest=${rest#?}
	while :; do
		case $rest in
		*"'"*) ;;
		*)
			why="has no closing quote"
			return
			;;
		esac
		value=$value${rest%%"'"*}
		rest=${rest#*"'"}
		case $rest in
		"\\''"*)
			value="$value'"
			rest=${rest#???}
			;;
		*) return ;;
		esac
	done
}

take_double_quoted() {
	rest=${rest#?}
	while :; do
		plain=${rest%%[\"\\]*}
		value=$value$plain
		rest=${rest#"$plain"}
		case $rest in
		'"'*)
			rest=${rest#?}
			return
			;;
		\\[\"\\\$\`]*)
			rest=${rest#?}
			value=$value${rest%%"${rest#?}"} # %% finds the match at once; % would try every suffix before
			rest=${rest#?}
			;;
		\\*)
			value="$value\\"
			rest=${rest#?}
			;;
		*)
			why="has no closing quote"
			return
			;;
		esac
	done
}

take_bare() {
	value=${rest%%["$node_config_blanks"]*}
	rest=${rest#"$value"}
	case $value in
	*[\'\"\\\;\&\|\<\>\(\)\`]*) why="has an unquoted character that is special to a shell" ;;
	esac
}

# node_config_value FILE KEY: sets $value to the value of KEY in the last line of FILE that assigns it.
# Returns 1 if KEY is absent or empty, 2 if that line is malformed.
node_config_value() {
	found=
	status=1
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		*"$2="*) ;;
		*) continue ;;
		esac
		read_node_config_line "$line"
		case $?,$key in
		0,"$2")
			found=$value
			status=0
			;;
		2,"$2")
			found=
			status=2
			;;
		esac
	done <"$1"
	value=$found
	[ -n "$value" ] || [ "$status" -ne 0 ] || status=1
	return "$status"
}
