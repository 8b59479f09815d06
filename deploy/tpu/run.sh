#!/usr/bin/env bash
# Runs a command again for as long as it ends with 75: stopped, to be taken up. Another status ends the loop, and is its own.
#   deploy/tpu/run.sh env/bin/glotmill finetune configs/aya-101.toml --out /mnt/share/runs/aya --set distributed.enabled=true
set -u
while true; do
    "$@"
    status=$?
    [ "$status" -eq 75 ] || exit "$status"
    sleep 10
done
