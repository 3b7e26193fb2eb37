#!/bin/sh
# The first process of a virtual machine of the lab: what stands up on a Debian without systemd
# until Docker's engine runs. The kernel's command line says which host it is (node=N).
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

for mount in proc:/proc sysfs:/sys devtmpfs:/dev; do
    mountpoint -q "${mount#*:}" || mount -t "${mount%%:*}" "${mount%%:*}" "${mount#*:}"
done
mkdir -p /dev/pts /dev/shm /var/lib/docker
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# What the engine would load by itself where modprobe and udev are looked after, and what the mesh
# (IPVS) and encrypted overlays (ESP) are made of.
for module in virtio_net overlay br_netfilter vxlan nf_nat iptable_nat iptable_filter \
    iptable_mangle ip_vs ip_vs_rr xt_ipvs esp4 xfrm_user; do
    modprobe "$module"
done

node=$(sed 's/.*node=\([0-9]*\).*/\1/' /proc/cmdline)
hostname "pathcount-h$node"
ip link set lo up
ip address add "192.168.77.$((10 + node))/24" dev eth0
ip link set eth0 up
mount -t ext4 -o noatime /dev/vdb /var/lib/docker

# docker-init reaps what the engine's shims leave behind. containerd is started here, as dockerd
# would wait for it for 15 s only; and where even that is too slow, dockerd tries again.
# Docker starts itself again and again for small things, and much of what that takes is collecting
# the garbage of its beginning.
export GOGC=off GOMEMLIMIT=300MiB
export ADDRESS="tcp://192.168.77.$((10 + node)):2375"
# shellcheck disable=SC2016 # it is the inner shell that expands them
exec docker-init -- sh -c '
    containerd --log-level=warn &
    until [ -S /run/containerd/containerd.sock ]; do sleep 0.2; done
    until dockerd --log-level=warn --tls=false \
        --host=unix:///run/docker.sock --host="$ADDRESS" \
        --containerd=/run/containerd/containerd.sock; do sleep 1; done'
