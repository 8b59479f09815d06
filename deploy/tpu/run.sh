#!/usr/bin/env bash
# Repeat a command while it ends with status 75 (stopped, to be resumed). Exit with the first other status.
#   deploy/tpu/run.sh env/bin/glotmill finetune configs/aya-101.toml --out /mnt/share/runs/aya --set distributed.enabled=true
set -u
while true; do
    "$@"
    status=$?
    [ "$status" -eq 75 ] || exit "$status"
    sleep 10
done
