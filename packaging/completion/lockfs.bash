# Completion of lockfs for bash.
_lockfs_values() {
    case $1 in
    preset) lockfs-ctl presets 2>/dev/null | sed -e 1d -e 's/ .*//' ;;
    config) compgen -f -- "$2" ;;
    unowned) echo infer keep heal ;;
    mtime) echo live real ;;
    esac
}

# What can stand where $1 stands, a list of options with commas between.
_lockfs_mount_options() {
    local before= last=${1##*,} name value
    [[ $1 == *,* ]] && before=${1%,*},
    if [[ $last != *=* ]]; then
        compgen -P "$before" -W "lock= data= preset= config= observe unowned= retain= retain_max= mtime= max_locks= max_locks_per_uid= allow_other ro fsname=" -- "$last"
        return
    fi
    name=${last%%=*} value=${last#*=}
    before+=$name=
    if [[ $name == preset && $value == *:* ]]; then
        before+=${value%:*}:
        value=${value##*:}
    fi
    compgen -P "$before" -W "$(_lockfs_values "$name" "$value")" -- "$value"
}

_lockfs() {
    # The word as it was typed: '=' and ':' are words of their own to bash.
    local line=${COMP_LINE:0:COMP_POINT} whole words reply
    whole=${line##*[[:space:]]}
    read -ra words <<<"${line%"$whole"}"
    COMPREPLY=()
    if [[ ${words[-1]} == -o || $whole == -o?* ]]; then
        local lead= tail=
        [[ $whole == -o?* ]] && lead=-o
        [[ $whole == *[=:]* ]] && tail=${whole%"${whole##*[=:]}"}
        compopt -o nospace 2>/dev/null
        while IFS= read -r reply; do
            reply=$lead$reply
            COMPREPLY+=("${reply#"$tail"}")
        done < <(_lockfs_mount_options "${whole#"$lead"}")
    elif [[ $whole == -* ]]; then
        COMPREPLY=($(compgen -W "-f -d -h --help -V --version -o" -- "$whole"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$whole") $(compgen -W none -- "$whole"))
    fi
}
complete -F _lockfs lockfs mount.fuse.lockfs
