#!/bin/sh
# Boots under tuxrun and judges what came, written by `cargo xtask ci tuxrun`.
# TUXRUN_FLAGS are for tuxrun, such as `--runtime podman`.
set -u
# It types `root` behind the first prompt and goes on at the second, which is
# the end of the last run. The verdict is in the log.
tuxrun $TUXRUN_FLAGS --device @TUXRUN@ --parameters @TUXRUN_PARAMETERS@ \
    --kernel @KERNEL@ \
    --rootfs @RAMDISK@ \
    --boot-args @ARGS@ \
    --prompt '<LAVA_SIGNAL_(STARTRUN|ENDRUN) ' \
    --timeouts boot=@MINUTES@ \
    --log-file-text "@LOG@.log" --results "@LOG@.json"
${PIDONE_DECODE:-cargo xtask decode} "@LOG@.log"
