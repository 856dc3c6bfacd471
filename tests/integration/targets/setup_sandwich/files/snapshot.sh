# shellcheck shell=sh
# The records, to the byte.
if [ -d /var/lib/netloom ]; then
    ls -lA --time-style=full-iso /var/lib/netloom
    find /var/lib/netloom -type f -exec sha256sum {} +
fi
