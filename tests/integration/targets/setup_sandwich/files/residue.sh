# shellcheck shell=sh
# What the kernel holds, without what it changes by itself (flags, states, counters, handles).
set -eu
look() {
    "$@" ip -o link | sed -E 's/^[0-9]+: //; s/<[^>]*>//; s/ state [A-Z]+//; s/qdisc [a-z_]+//; s/@if[0-9]+/@/; s/link-netnsid [0-9]+//'
    "$@" ip -o address | grep -v ' fe80' | awk '{ print $2, $3, $4 }'
    "$@" ip -4 route show table all
    "$@" ip -6 route show table all | grep -v -e '^fe80' -e '^multicast' -e '^local fe80' -e '^anycast' || :
    "$@" ip neighbour show nud permanent
    "$@" sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding
}
look env | sort
ip netns list | awk '{ print $1 }' | sort | while read -r name; do
    echo "--- $name"
    look ip netns exec "$name" | sort
done
nft list ruleset
# Names: files, and servers of ours.
for folder in /etc/netns /run/netloom; do
    [ ! -e $folder ] || find $folder | sort
done
pgrep -x -a dnsmasq | grep -F -e --pid-file=/run/netloom/ || :
