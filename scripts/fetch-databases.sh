#!/bin/sh
# Puts the database servers that tests and the demonstration need, and that
# this machine does not have, into a cache folder outside the source tree.
#
#   scripts/fetch-databases.sh [core|all|NAME...]
#
# core (the default)  postgres mariadb
# all                 core and postgres13 postgres17 postgres18 mariadb118 mysql pgbouncer
#
# A server that is installed is used as it is and nothing is fetched for it.
# Nothing is installed, enabled or started, root is not needed, and the
# machine's own apt settings and state are read but never changed: packages
# come from the mirror that is configured already, verified by apt, and are
# unpacked below ${FLOWYTE_DB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flowyte/databases}
# (for root /var/cache/flowyte/databases). To fetch one again, remove its folder there.
#
# Every server that cannot be had is told with the reason. The exit status is 1
# when a core one is among them.
set -eu
umask 022

ALL="postgres mariadb postgres13 postgres17 postgres18 mariadb118 mysql pgbouncer"

say() { printf '%s\n' "$*"; }

# The same folder as privatedb.CacheDir.
cache_dir() {
    if [ -n "${FLOWYTE_DB_CACHE:-}" ]; then
        say "$FLOWYTE_DB_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        # Servers run as an ordinary user, which root's home is closed to.
        say /var/cache/flowyte/databases
    else
        say "${XDG_CACHE_HOME:-$HOME/.cache}/flowyte/databases"
    fi
}

# recipe NAME sets what to fetch: the suite ("own" for the machine's release),
# a pattern of package names, of which the highest version in the name is
# taken, the programs to wrap, and the pattern that its version line matches.
# Paths and patterns agree with the table in internal/privatedb/flavor.go.
recipe() {
    case $1 in
    postgres) suite=own package='postgresql-1[5-8]' version='(PostgreSQL) 1[5-8]' ;;
    postgres13) suite=bullseye package='postgresql-13' version='(PostgreSQL) 13' ;;
    postgres17) suite=trixie package='postgresql-17' version='(PostgreSQL) 17' ;;
    postgres18) suite=sid package='postgresql-18' version='(PostgreSQL) 18' ;;
    mariadb) suite=own package='mariadb-server-core' version='Ver 1[0-9]\.[0-9.]*-MariaDB' ;;
    mariadb118) suite=trixie package='mariadb-server-core' version='Ver 11\.8\.[0-9]*-MariaDB' ;;
    mysql) suite=sid package='mysql-server-core' version='Ver [89]\.' ;;
    pgbouncer) suite=own package='pgbouncer' version='PgBouncer 1\.' ;;
    *) return 1 ;;
    esac
    case $1 in
    postgres) programs='usr/lib/postgresql/1[5-8]/bin/postgres' ;;
    postgres*) programs="usr/lib/postgresql/${1#postgres}/bin/postgres" ;;
    mariadb*) programs='usr/sbin/mariadbd' ;;
    mysql) programs='usr/sbin/mysqld' ;;
    pgbouncer) programs='usr/sbin/pgbouncer' ;;
    esac
}

# present ROOT prints the first program of the current recipe that is below
# ROOT and of the right version.
present() {
    for candidate in "$1"/$programs; do
        if [ -x "$candidate" ] && "$candidate" --version 2>/dev/null | grep -q "$version"; then
            say "$candidate"
            return 0
        fi
    done
    return 1
}

# installed prints the program when the machine has it.
installed() {
    on_path=$(readlink -f "$(command -v "$(basename "$programs")")" || :)
    if [ -n "$on_path" ] && "$on_path" --version 2>/dev/null | grep -q "$version"; then
        say "$on_path"
        return 0
    fi
    present ""
}

# mirrors prints the addresses of the archives that serve this machine's
# release, as apt knows them and, where nothing was ever updated, as the
# settings have them.
mirrors() {
    codename=$(. /etc/os-release && say "${VERSION_CODENAME:-}")
    {
        apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 2>/dev/null | sort -u
        mirrors_in_settings "$codename"
    } | sed 's|/*$|/|' | awk '!seen[$0]++'
}

# mirrors_in_settings CODENAME prints the address of every source of binary
# packages whose suite is exactly CODENAME, in both of apt's file formats.
mirrors_in_settings() {
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        awk -v suite="$1" '
            function flush() {
                if (deb && enabled && wanted) printf "%s", uris
                deb = wanted = 0; enabled = 1; uris = ""
            }
            BEGIN { enabled = 1 }
            /^[ \t]*$/ { flush() }
            tolower($1) == "types:" { for (i = 2; i <= NF; i++) if ($i == "deb") deb = 1 }
            tolower($1) == "uris:" { for (i = 2; i <= NF; i++) uris = uris $i "\n" }
            tolower($1) == "suites:" { for (i = 2; i <= NF; i++) if ($i == suite) wanted = 1 }
            tolower($1) == "enabled:" { enabled = (tolower($2) != "no") }
            END { flush() }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        sed -n 's/^[ \t]*deb[ \t]\{1,\}\(\[[^]]*\][ \t]*\)\{0,1\}//p' "$file" | awk -v suite="$1" '$2 == suite { print $1 }'
    done
}

# keyring prints the file that holds the archive's keys, if there is one.
keyring() {
    for file in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
        if [ -r "$file" ]; then
            say "$file"
            return
        fi
    done
}

# private_apt SUITE PROGRAM ARGUMENT... runs an apt program on settings and
# state of its own, with the empty list of installed packages: so it brings
# every library, down to the C library.
private_apt() {
    private=$work/apt-$1
    shift
    program=$1
    shift
    "$program" -c="$private/apt.conf" "$@"
}

# prepare_suite SUITE reads the suite's package lists, once in a run, from the
# first archive that has them and whose signature apt accepts.
prepare_suite() {
    private=$work/apt-$1
    [ -e "$private/ready" ] && return
    release=$1
    [ "$release" = own ] && release=$(. /etc/os-release && say "$VERSION_CODENAME")
    mkdir -p "$private/lists/partial" "$private/cache/archives/partial" "$private/parts"
    : >"$private/status"
    # The machine's settings stay in force, for its proxy and the like, apart
    # from what would read or change its state: its sources, pins and hooks.
    cat >"$private/apt.conf" <<SETTINGS
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Default-Release;
Dir::Etc::SourceList "$private/sources.list";
Dir::Etc::SourceParts "$private/parts";
Dir::Etc::Preferences "$private/preferences";
Dir::Etc::PreferencesParts "$private/parts";
Dir::State "$private";
Dir::State::Lists "$private/lists";
Dir::State::status "$private/status";
Dir::Cache "$private/cache";
Dir::Log "$private";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
SETTINGS
    keys=$(keyring)
    reason="no archive of this machine's release is configured for apt"
    say "  reading the package lists of $release"
    for archive in $(mirrors); do
        say "deb ${keys:+[signed-by=$keys] }$archive $release main" >"$private/sources.list"
        if private_apt "$1" apt-get -qq update >"$work/log" 2>&1 && ! grep -q '^[EW]:' "$work/log"; then
            touch "$private/ready"
            return 0
        fi
        reason=$(why "the package lists of $release cannot be read")
    done
    return 1
}

# why SENTENCE adds what apt said to the sentence.
why() {
    said=$(sed -n 's/^[EW]: *//p' "$work/log" | head -n 1)
    say "$1${said:+: $said}"
}

# unpack FROM TO unpacks every package in FROM and keeps what a server needs:
# libraries, its program, its own data. Programs with special rights that
# came along are among what goes.
unpack() {
    mkdir -p "$2"
    for archive in "$1"/*.deb; do
        dpkg-deb -x "$archive" "$2" || return 1
    done
    find "$2" -mindepth 1 -maxdepth 1 ! -name usr ! -name lib ! -name lib64 -exec rm -rf {} +
    find "$2/usr" -mindepth 1 -maxdepth 1 ! -name lib ! -name lib64 ! -name sbin ! -name share -exec rm -rf {} +
    find "$2/usr/share" -mindepth 1 -maxdepth 1 ! -name postgresql ! -name mysql ! -name mariadb -exec rm -rf {} +
    [ ! -d "$2/usr/sbin" ] || find "$2/usr/sbin" -mindepth 1 ! -name mariadbd ! -name mysqld ! -name pgbouncer -exec rm -rf {} +
    # The compiler that PostgreSQL can use for long queries is half its size.
    find "$2" \( -name 'libLLVM*' -o -name 'llvmjit*' -o -name bitcode \) -prune -exec rm -rf {} +
    find "$2" -type f -perm /6000 -exec chmod a-s {} +
}

# wrap ROOT PROGRAM replaces a program by a script that runs it under the
# loader and the libraries it was unpacked with. The script finds them by its
# own path, so that the folder can be moved.
wrap() {
    loader=$(cd "$1" && find lib lib64 usr/lib usr/lib64 -type f \( -name 'ld-linux*.so.*' -o -name 'ld-[0-9]*.so' \) 2>/dev/null | head -n 1)
    [ -n "$loader" ] || return 1
    libraries=$(cd "$1" && find lib usr/lib -mindepth 1 -maxdepth 1 -type d -name '*-linux-gnu*' 2>/dev/null | sed 's|^|$R/|' | paste -s -d : -)
    mv "$1/$2" "$1/$2.elf"
    cat >"$1/$2" <<SCRIPT
#!/bin/sh
R=\${0%/$2}
exec "\$R/$loader" --library-path "$libraries" "\$R/$2.elf" "\$@"
SCRIPT
    chmod 755 "$1/$2"
}

# fetch NAME downloads, unpacks and wraps one server; on failure it sets reason.
fetch() {
    for tool in apt-get apt-cache dpkg-deb flock; do
        command -v "$tool" >/dev/null || {
            reason="this machine has no $tool"
            return 1
        }
    done
    prepare_suite "$suite" || return 1
    chosen=$(private_apt "$suite" apt-cache pkgnames | grep -x "$package" | sort -V | tail -n 1)
    [ -n "$chosen" ] || {
        reason="its suite has no such package"
        return 1
    }
    archives=$work/apt-$suite/cache/archives
    rm -f "$archives"/*.deb
    say "  downloading $chosen and the libraries it needs"
    private_apt "$suite" apt-get -y -qq --download-only install "$chosen" >"$work/log" 2>&1 || {
        reason=$(why "$chosen cannot be downloaded")
        return 1
    }
    say "  unpacking $(find "$archives" -name '*.deb' | wc -l) packages"
    rm -rf "$work/$1"
    unpack "$archives" "$work/$1/root" >"$work/log" 2>&1 || {
        reason="its packages cannot be unpacked"
        return 1
    }
    for program in "$work/$1/root"/$programs "$work/$1/root"/usr/lib/postgresql/*/bin/initdb; do
        [ -e "$program" ] || continue
        wrap "$work/$1/root" "${program#"$work/$1/root/"}" || {
            reason="its packages bring no loader"
            return 1
        }
    done
    present "$work/$1/root" >/dev/null || {
        reason="what was unpacked does not run"
        return 1
    }
    mv "$work/$1" "$cache/$1"
}

# provide NAME sees to one server; two runs at once take turns.
provide() {
    recipe "$1"
    if found=$(installed); then
        say "$1: installed, $found"
        return 0
    fi
    (
        command -v flock >/dev/null && flock 9
        if found=$(present "$cache/$1/root"); then
            say "$1: fetched before, $found"
            exit 0
        fi
        rm -rf "${cache:?}/$1"
        say "$1: fetching into $cache/$1"
        reason="see above"
        if fetch "$1"; then
            say "$1: ready, $(present "$cache/$1/root")"
        else
            say "$1: CANNOT BE HAD: $reason"
            exit 1
        fi
    ) 9>"$cache/$1.lock"
}

names=
for word in "${@:-core}"; do
    case $word in
    core) names="$names postgres mariadb" ;;
    all) names="$names $ALL" ;;
    *) names="$names $word" ;;
    esac
done
for name in $names; do
    recipe "$name" || {
        say "unknown server $name; known are: $ALL" >&2
        exit 2
    }
done

cache=$(cache_dir)
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d "$cache/.fetch-XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

status=0
for name in $names; do
    provide "$name" && continue
    case $name in postgres | mariadb) status=1 ;; esac
done
exit $status
