# Completion of lockfs-ctl for bash.
_lockfs_ctl() {
    local word=${COMP_WORDS[COMP_CWORD]} options=
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "list show explain wait run break transfer watch top healed restore stats metrics graph presets suggest doctor upgrade --help --version" -- "$word"))
        return
    fi
    case ${COMP_WORDS[1]} in
    list) options="--json --watch --columns --no-heading --help" ;;
    show) options="--json --help" ;;
    explain) options="--json --file --help" ;;
    wait) options="--json --timeout --help" ;;
    run) options="--timeout --conflict-exit-code --help" ;;
    break) options="--json --yes --kill --help" ;;
    transfer) options="--json --help" ;;
    watch) options="--json --help" ;;
    top) options="--help" ;;
    healed) options="--json --columns --help" ;;
    restore) options="--json --token --as --help" ;;
    stats) options="--json --help" ;;
    metrics) options="--help" ;;
    graph) options="--json --help" ;;
    presets) options="--json --help" ;;
    suggest) options="--json --help" ;;
    doctor) options="--json --help" ;;
    upgrade) options="--json --timeout --help" ;;
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}
complete -F _lockfs_ctl lockfs-ctl
