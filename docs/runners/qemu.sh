#!/bin/sh
# QEMU as a runner (docs/runners.md): the console is its standard output, and
# records go to descriptor 3 if there is one. Arguments are QEMU's own, behind
# ours: `--runner 'sh qemu.sh -smp 4 -m 2G'`.
set -eu

case $PIDONE_ARCH in
x86_64) board=q35 cpu=max ports='isa-serial' second=ttyS1 ;;
aarch64)
    board=virt,gic-version=max cpu=max,pauth-impdef=on
    ports='pci-serial' second=ttyS0
    ;;
riscv64)
    board=virt cpu=rv64,v=true,vlen=512,elen=64
    ports='pci-serial' second=ttyS1
    ;;
*)
    echo "no QEMU for $PIDONE_ARCH" >&2
    exit 1
    ;;
esac
command -v "qemu-system-$PIDONE_ARCH" >&2 || exit 75

# A device alone proves nothing: the processor must offer virtualisation, too.
accel=tcg
if [ "$PIDONE_ARCH" = "$(uname -m)" ] && [ -w /dev/kvm ]; then
    case $PIDONE_ARCH in
    x86_64) grep -qwE 'vmx|svm' /proc/cpuinfo && accel=kvm ;;
    *) accel=kvm ;;
    esac
fi
# Instructions are counted only where QEMU translates them.
case " $* " in
*' -icount '*) accel=tcg ;;
esac

if (: >&3) 2>&-; then
    PIDONE_CMDLINE="pidone.records=/dev/$second $PIDONE_CMDLINE"
    set -- -chardev file,id=records,path=/dev/fd/3 \
        -device "$ports,chardev=records" "$@"
fi
exec "qemu-system-$PIDONE_ARCH" -nodefaults -no-user-config -display none \
    -no-reboot -machine "$board" -accel "$accel" -cpu "$cpu" \
    -smp 2 -m 512 -chardev stdio,id=console,signal=off \
    -serial chardev:console -kernel "$PIDONE_KERNEL" \
    -initrd "$PIDONE_INITRD" -append "$PIDONE_CMDLINE" "$@"
