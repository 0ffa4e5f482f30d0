# shellcheck shell=bash
# What the scripts beside this file share. Source it; it runs nothing. They set $LOG.
export DEBIAN_FRONTEND=noninteractive

say() { echo "$(basename "$0"): $*" >&2; }

# Run a command into $LOG; when it fails, show the end of that and stop.
quiet() {
  "$@" >>"$LOG" 2>&1 || {
    tail -n 15 "$LOG" >&2
    say "failed: $*"
    exit 1
  }
}

# Stop where packages can be neither had nor unpacked.
require_root() {
  if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
    say "requires root on a Debian or Ubuntu"
    exit 1
  fi
}

# Where Debian's packages come from: DEBIAN_MIRROR, or the machine's own mirror (Ubuntu has none).
debian_mirror() {
  # shellcheck disable=SC2016 # it is apt that fills in the address
  local ask=(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian') mirror
  mirror=${DEBIAN_MIRROR:-$("${ask[@]}" | head -n 1)}
  if [[ -z $mirror ]]; then
    # Whose packages they are is in lists that a new container does not have yet.
    quiet apt-get update
    mirror=$("${ask[@]}" | head -n 1)
  fi
  [[ -n $mirror ]] || {
    say "set DEBIAN_MIRROR to the address of a Debian mirror: this machine's own packages are not Debian's"
    exit 1
  }
  echo "$mirror"
}

# Write an apt source for SUITES of TYPES ("deb", "deb deb-src") into FILE. apt verifies what comes
# from it, with Debian's keys.
debian_source() { # FILE TYPES SUITES
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  mirror=$(debian_mirror)
  need debian-archive-keyring
  printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$2" "$mirror" "$3" "$keys" >"$1"
}

# Install those of the machine's own packages that are missing.
need() {
  local missing=() package
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  quiet apt-get update
  quiet apt-get install -y --no-install-recommends "${missing[@]}"
}
