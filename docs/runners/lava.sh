#!/bin/sh
# A runner (docs/runners.md) that has LAVA's dispatcher boot, which takes no
# server for that: `--runner 'sh lava.sh DEVICE.yaml'`. The job is that of
# `ci lava`. PIDONE is the program that writes it, as in `cargo xtask`.
set -euf

device=$1
[ -r "$device" ] || {
    echo "no device $device, which is a file of LAVA's" >&2
    exit 2
}
kernel=${PIDONE_CMDLINE%% -- *}
plan=${PIDONE_CMDLINE#"$kernel"}
# The plan's words are separate ones.
# shellcheck disable=SC2086
${PIDONE:-pidonectl} ci lava --arch "$PIDONE_ARCH" \
    --kernel "file://$PIDONE_KERNEL" --ramdisk "file://$PIDONE_INITRD" \
    --append "$kernel" --output "$PIDONE_DIR/job.yaml" $plan >&2
code=0
# Its log, which has the console, is on both.
lava-run --job-id "$$" --output-dir "$PIDONE_DIR" --device "$device" \
    "$PIDONE_DIR/job.yaml" 2>&1 || code=$?
# A job that fails tells of its machine; what else may befall it does not.
case $(cat "$PIDONE_DIR/result.yaml" 2>/dev/null) in
*'error_type: Infrastructure'* | *'error_type: Bug'*) code=75 ;;
*'error_type: Job'* | *'error_type: Test'*) code=0 ;;
esac
exit "$code"
