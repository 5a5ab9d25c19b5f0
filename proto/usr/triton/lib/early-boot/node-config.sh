# shellcheck shell=sh
# Reading node.config. Its form is in docs/node-config.md of the image's sources; sysinfo (sysinfo/node-config.mjs) and the boot
# test (harness/cn-files/node-config.ts) read it in the same way, which fixtures/node-config holds them to.
# Values are never evaluated, and never logged.

node_config_blanks=' 	' # a space and a tab
node_config_cr=$(printf '\r')
node_config_mark=$(printf '\357\273\277')
node_config_controls=$(printf '[\001-\010\013-\037\177]')

# node_config_trim: removes blanks from the beginning of $rest.
node_config_trim() {
	rest=${rest#"${rest%%[!"$node_config_blanks"]*}"}
}

# read_node_config_line LINE: sets $key and $value to what LINE assigns.
# Returns 1 if it assigns nothing: it is empty or a comment. Returns 2 if it is not of node.config's form, with $why to say so
# and $key empty unless it is known.
read_node_config_line() {
	key=
	value=
	why=
	rest=${1#"$node_config_mark"}
	rest=${rest%"$node_config_cr"}
	node_config_trim
	case $rest in
	'' | '#'*) return 1 ;;
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
	rest=${rest#*=}
	# shellcheck disable=SC2254 # a pattern
	case $rest in
	*$node_config_controls*) why="has a control character in it" ;;
	"'"*) take_single_quoted ;;
	'"'*) take_double_quoted ;;
	*) take_bare ;;
	esac
	[ -z "$why" ] || return 2
	case $rest in
	'' | ["$node_config_blanks"]*) node_config_trim ;;
	*) why="has text right after its closing quote" ;;
	esac
	case $why,$rest in
	,'' | ,'#'*) return 0 ;;
	,*) why="has text after its value" ;;
	esac
	return 2
}

# take_single_quoted, take_double_quoted, take_bare: move the value at the beginning of $rest to $value, or set $why.
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
			value=$value${rest%"${rest#?}"}
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
	*[\'\"\\\;\&\|\<\>\(\)\`]*) why="has a character outside quotes that a shell would act upon" ;;
	esac
}

# node_config_value FILE KEY: sets $value to what the last line of FILE that begins with KEY= gives it.
# Returns 1 if KEY is absent or empty, 2 if that line is not of node.config's form.
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
