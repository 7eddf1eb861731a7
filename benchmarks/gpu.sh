#!/usr/bin/env bash
# All that wants a card, in one command that can be called again and again: for a machine that one has for minutes at a time and
# that has no network, only a Python with torch.
#
#   benchmarks/gpu.sh prepare [PACKAGE …]    where there is a network: the digits and the packages to compare with, into .data/
#   benchmarks/gpu.sh                        on the machine with the card: goes on where it stopped, until it says "all done"
#   benchmarks/gpu.sh show                   prints the commands and runs none
#   benchmarks/gpu.sh collect RUN FOLDER     the results of one run ("none": of the benchmarks alone), in files of at most 15 MB, into FOLDER
#   benchmarks/gpu.sh restore RUN FOLDER     puts what was collected into runs/RUN and benchmarks/
#
# .data/mnist and .data/site must come along; everything that is made stays in .data/ too. Exit status 75 means: call again.
# MINUTES (9)      how long one call may take
# STAGES           the stages to do, in order, if not all of them
# PYTHON, DEVICE   python3 and cuda, if not others
# DRY=1            two steps, a few digits, no numbers worth having, on the CPU; PRESET (tiny) says which network
set -euo pipefail
cd "$(dirname "$0")/.."

DRY=${DRY:-}
MINUTES=${MINUTES:-9}
STAGES=${STAGES:-try train evaluate curve train-likelihood evaluate-likelihood speed loss sampling size}
DEVICE=${DEVICE:-$([ -n "$DRY" ] && echo cpu || echo cuda)}
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
PRESET=${PRESET:-}
HERE=.data${DRY:+/dry}
GPU=${PRESET:-$([ -n "$DRY" ] && echo tiny || echo gpu)}
LIKELIHOOD=${PRESET:-$([ -n "$DRY" ] && echo tiny || echo likelihood)}
N=$([ -n "$DRY" ] && echo 20 || echo 10000)
DIGITS=$([ -n "$DRY" ] && echo 250 || echo 10000) # test digits for the likelihood

export PYTHONPATH="$PWD:$PWD/.data/site${PYTHONPATH:+:$PYTHONPATH}"
if [ -d .data/mnist ]; then export DDPM_EDU_DATA="$PWD/.data/mnist"; fi
export TORCHINDUCTOR_CACHE_DIR="$PWD/.data/inductor" TRITON_CACHE_DIR="$PWD/.data/triton"  # compiled once, not once a call
export OMP_WAIT_POLICY=passive PYTHONUNBUFFERED=1

prepare() {
  mkdir -p .data/mnist
  "$PYTHON" -m pip install --quiet --no-deps --no-compile --upgrade --target .data/site --requirement benchmarks/requirements.txt "$@"
  "$PYTHON" - <<'END'
import os, shutil
from pathlib import Path
from ddpm_edu import data

for split in ("train", "test"):
    data.mnist(split)  # downloads what is not here
source = os.environ.get("DDPM_EDU_DATA")
if not source:
    import pooch
    source = pooch.os_cache("ddpm_edu")
for name in data.SHA256:
    found = next(path for path in (Path(source, name), Path(source, f"{name}.gz")) if path.is_file())
    if not Path(".data/mnist", found.name).exists():
        shutil.copy(found, ".data/mnist")
END
  du -sh .data/mnist .data/site
}

# stage NAME NEED COMMAND…: runs the command unless it is done already; it must be able to go on after an interrupt, or be over
# in NEED seconds, without which it is not begun.
stage() {
  local name=$1 need=$2 left status=0
  shift 2
  case " $STAGES " in *" $name "*) ;; *) return 0 ;; esac
  if [ "$MODE" = show ]; then printf '%q ' "$@"; printf '\n'; return 0; fi
  if [ -e "$HERE/done/$name" ]; then echo "== $name: done before"; return 0; fi
  left=$((DEADLINE - $(date +%s)))
  if [ "$left" -lt "$need" ] && [ -n "$BEGUN" ]; then echo "== $name wants $need s and $left are left: call again"; exit 75; fi
  BEGUN=yes
  echo "== $name, at most $left s: $*"
  timeout --signal=INT --kill-after=30 "$left" "$@" || status=$?
  case $status in
    0) mkdir -p "$HERE/done"; touch "$HERE/done/$name" ;;
    124 | 130 | 137) echo "== $name: time is up, call again"; exit 75 ;;
    *) echo "== $name failed with status $status"; exit "$status" ;;
  esac
}

# resumed RUN: the option that goes on with a run whose folder is there
resumed() { if [ "$MODE" != show ] && [ -f "$HERE/runs/$1/config.json" ]; then echo --resume; fi; }

# script NAME: the arguments of a benchmark; its record begins as a copy of the one that stands, so that both kinds of device stay in it
script() {
  local record="$HERE/results/$1.json"
  if [ "$MODE" != show ]; then
    mkdir -p "$HERE/results"
    if [ ! -e "$record" ] && [ -e "benchmarks/$1.json" ]; then cp "benchmarks/$1.json" "$record"; fi
  fi
  echo "benchmarks/$1.py --device $DEVICE --out $record ${DRY:+--quick}"
}

work() {
  local few=${DRY:+--steps 2 --set interval=1 keep=1} wide=
  # The preset likelihood is made for a CPU; on a card it gets the body of the preset gpu.
  if [ -z "$DRY$PRESET" ]; then
    wide="--set unet.channels=64 unet.multipliers=1,2,4 unet.blocks=2 unet.attention=7 steps=40000 batch=256"
    wide="$wide learning_rate=5e-4 warmup=1000 ema=0.9995 mixed_precision=true compile=true"
  fi
  DEADLINE=$(($(date +%s) + MINUTES * 60))
  BEGUN=
  # Two steps first: whether everything is there and compiles.
  if [ "$MODE" != show ] && [ ! -e "$HERE/done/try" ]; then rm -rf "$HERE/try"; fi
  # shellcheck disable=SC2046,SC2086  # what these print are several words
  {
    stage try 60 "$PYTHON" -m ddpm_edu train --preset "$GPU" --steps 2 --run "$HERE/try" --device "$DEVICE"
    stage train 60 "$PYTHON" -m ddpm_edu train --preset "$GPU" $few --run "$HERE/runs/gpu" --device "$DEVICE" $(resumed gpu)
    stage evaluate 60 "$PYTHON" -m ddpm_edu evaluate --run "$HERE/runs/gpu" --n "$N" --digits "$DIGITS" --device "$DEVICE"
    stage curve 400 "$PYTHON" -m ddpm_edu evaluate --only curve --run "$HERE/runs/gpu" --n "$N" --device "$DEVICE"
    stage train-likelihood 60 "$PYTHON" -m ddpm_edu train --preset "$LIKELIHOOD" $few $wide --run "$HERE/runs/likelihood" --device "$DEVICE" $(resumed likelihood)
    stage evaluate-likelihood 60 "$PYTHON" -m ddpm_edu evaluate --only likelihood --run "$HERE/runs/likelihood" --digits "$DIGITS" --device "$DEVICE"
    stage speed 400 "$PYTHON" $(script training_speed) --only speed
    stage loss 400 "$PYTHON" $(script training_speed) --only loss
    stage sampling 300 "$PYTHON" $(script sampling_speed)
    stage size 300 "$PYTHON" $(script size)
  }
  if [ "$MODE" != show ]; then echo "== all done"; fi
}

collect() {
  mkdir -p "$2"
  # shellcheck disable=SC2046  # no name here has a space
  (cd "$HERE" && tar -czf - $(find "runs/$1" results -type f ! -name '*.safetensors' ! -name '*.npz' 2>/dev/null)) >"$2/records.tar.gz"
  if [ -f "$HERE/runs/$1/weights.safetensors" ]; then split -b 15000000 -d "$HERE/runs/$1/weights.safetensors" "$2/weights."; fi
  ls -l "$2"
}

restore() {
  rm -rf .data/collected && mkdir -p .data/collected
  tar -xzf "$2/records.tar.gz" -C .data/collected
  if [ -d .data/collected/results ]; then cp .data/collected/results/*.json benchmarks/; fi
  if [ "$1" != none ]; then
    mkdir -p "runs/$1"
    cp ".data/collected/runs/$1/"* "runs/$1/"
    cat "$2"/weights.?? >"runs/$1/weights.safetensors"
    ls -l "runs/$1"
  fi
}

MODE=${1:-work}
case $MODE in
  work | show) work ;;
  prepare | collect | restore) shift; "$MODE" "$@" ;;
  *) sed -n 's/^# \{0,1\}//p' "$0" | head -20; exit 2 ;;
esac
