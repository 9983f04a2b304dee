# Shared by the scripts in this folder: what is missing, how to install it, how to build. To be sourced, with $root set.
# Variables of its functions begin with lib_, for a shell has no others than global ones.

export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Before what needs root: nothing as root, sudo where there is one.
as_root=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1; then as_root=sudo; fi
may_be_root() { [ "$(id -u)" = 0 ] || [ -n "$as_root" ]; }

# packages SECTION…: lines "NAME PROBE" of these sections of packaging/packages
packages() {
    for wanted; do
        awk -v wanted="[$wanted]" '
            { sub(/#.*/, "") }
            /^\[/ { on = ($1 == wanted); next }
            on && NF { print $1, ($2 == "" ? "-" : $2) }' "$root/packaging/packages"
    done
}

is_there() { # NAME PROBE
    case $2 in
    -) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    pc:*) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "${2#pc:}" ;;
    perl:*) perl "-M${2#perl:}" -e1 2>/dev/null ;;
    file:*) [ -e "${2#file:}" ] ;;
    *) command -v "$2" >/dev/null 2>&1 ;;
    esac
}

missing() { # SECTION…
    packages "$@" | while read -r name probe; do
        is_there "$name" "$probe" || printf '%s ' "$name"
    done
}

# need SECTION…: installs what is missing, and nothing where nothing is
need() {
    lib_lacking=$(missing "$@")
    [ -n "$lib_lacking" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "please install, by whatever name they have here: $lib_lacking"
    may_be_root || die "please install as root: apt-get install $lib_lacking"
    say "installing: $lib_lacking"
    lib_log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { $as_root apt-get -qq update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $lib_lacking; } \
        >"$lib_log" 2>&1 </dev/null; then
        tail -n 30 "$lib_log" >&2
        rm -f "$lib_log"
        die "could not install: $lib_lacking"
    fi
    rm -f "$lib_log"
    lib_lacking=$(missing "$@")
    [ -z "$lib_lacking" ] || die "still missing after the installation: $lib_lacking"
}

# build DIR OPTION…: configures and builds quietly, shows all when it fails
build() {
    lib_build=$1
    shift
    mkdir -p "$lib_build"
    if [ -f "$lib_build/build.ninja" ]; then set -- --reconfigure "$@"; fi
    if ! meson setup "$lib_build" "$root" "$@" >"$lib_build/setup.log" 2>&1; then
        tail -n 40 "$lib_build/setup.log" >&2
        die "meson setup failed, see $lib_build/setup.log"
    fi
    if ! ninja -C "$lib_build" >"$lib_build/ninja.log" 2>&1; then
        grep -v '^\[' "$lib_build/ninja.log" | tail -n 80 >&2
        die "the build failed, see $lib_build/ninja.log"
    fi
}
