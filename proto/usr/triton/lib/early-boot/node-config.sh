# shellcheck shell=sh
# node.config: one key='value' per line, made at headnode set-up. Parsed, never evaluated, and its values never logged.

# node_config_value FILE KEY: sets $value to the last value that FILE gives KEY.
# Returns 1 if the key is absent or empty, 2 if its line is not of the form key='value'.
node_config_value() {
	value=
	status=1
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		"$2='"*"'")
			value=${line#"$2='"}
			value=${value%"'"}
			case $value in
			'') status=1 ;;
			*"'"*) status=2 ;;
			*) status=0 ;;
			esac
			;;
		"$2="*) status=2 ;;
		esac
	done <"$1"
	[ "$status" -eq 0 ] || value=
	return "$status"
}
